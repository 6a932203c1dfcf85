//! `make install`: what it puts where, and that it changes nothing if it cannot do all of that. The program is there
//! already: nothing is built.

use crate::world::World;
use crate::world::run::{Run, Woci, woci_program};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

const TEXTS: [&str; 4] = [
    "share/man/man1/woci.1",
    "share/bash-completion/completions/woci",
    "share/zsh/site-functions/_woci",
    "share/fish/vendor_completions.d/woci.fish",
];

#[test]
fn the_program_and_its_texts_are_there_for_everybody() {
    let world = World::new();
    let prefix = world.path("a prefix");
    let installed = prefix.join("bin/woci");
    install(&world, &prefix).run().ok().prints(&format!("installed {}", installed.display()));
    for (path, mode) in TEXTS.iter().map(|path| (*path, 0o644)).chain([("bin/woci", 0o755)]) {
        let about = fs::metadata(prefix.join(path)).expect("it is installed");
        assert!(about.len() > 0 && about.mode() & 0o777 == mode, "{path}: {:o}", about.mode());
    }
    world.program(&installed, &["--version"]).run().ok();
    let before = contents(&prefix);
    assert_eq!(before.len(), TEXTS.len() + 1, "{:?}", before.keys());

    // The same again changes nothing, and an older one is replaced.
    install(&world, &prefix).run().ok().prints("is up to date");
    let inode = fs::metadata(&installed).expect("it is installed").ino();
    for old in ["an older woci", ""] {
        fs::write(prefix.join("new"), old).expect("a new file");
        fs::rename(prefix.join("new"), &installed).expect("the same folder");
        install(&world, &prefix).run().ok();
        assert_eq!(contents(&prefix), before);
        assert_ne!(
            fs::metadata(&installed).expect("it is installed").ino(),
            inode,
            "the running one is left alone"
        );
    }
}

#[test]
fn a_link_in_the_place_of_the_program_is_replaced_and_its_target_is_left_alone() {
    let world = World::new();
    let prefix = world.path("prefix");
    fs::create_dir_all(prefix.join("bin")).expect("a new folder");
    for target in ["file", "folder"] {
        let target = world.path(target);
        if target.ends_with("file") {
            fs::write(&target, "the older tool").expect("a new file");
        } else {
            fs::create_dir(&target).expect("a new folder");
        }
        let link = prefix.join("bin/woci");
        let _ = fs::remove_file(&link);
        symlink(&target, &link).expect("a new link");
        install(&world, &prefix).run().ok();
        assert!(!link.is_symlink());
    }
    assert_eq!(world.read("file"), "the older tool");
    assert_eq!(contents(&world.path("folder")).len(), 0);
}

#[test]
fn where_it_cannot_write_it_changes_nothing_and_says_so() {
    let world = World::new();
    let prefix = world.path("prefix");
    fs::create_dir_all(prefix.join("share/man/man1")).expect("new folders");
    fs::create_dir_all(prefix.join("bin")).expect("a new folder");
    fs::write(prefix.join("bin/woci"), "an older woci").expect("a new file");
    let before = (contents(&prefix), folders(&prefix));
    for (read_only, below) in [("", ""), ("", "one/more"), ("bin", ""), ("share", ""), ("share/man/man1", "")]
    {
        let line = format!(
            "exec unshare -m sh -c 'mount --bind {0} {0} && mount -o remount,bind,ro {0} && exec \"$@\"' sh {1}",
            prefix.join(read_only).display(),
            words(&prefix.join(below)).join(" "),
        );
        let run = world.shell(&line).run();
        if run.stderr.contains("unshare:") || run.stderr.contains("mount:") {
            eprintln!("skipped: no folder can be made read-only here: {}", run.stderr);
            return;
        }
        refused(&run, "Read-only file system");
        assert_eq!((contents(&prefix), folders(&prefix)), before, "{read_only} {below}");
    }
}

#[test]
fn where_a_folder_or_a_file_is_in_the_way_it_changes_nothing_and_says_so() {
    for (file, folder, why) in [
        ("bin", "", "prefix/bin"),
        ("share/fish", "", "prefix/share/fish"),
        ("", "bin/woci", "is a folder; move it away"),
        ("", "share/zsh/site-functions/_woci", "is a folder; move it away"),
    ] {
        let world = World::new();
        let prefix = world.path("prefix");
        for path in ["share", "share/zsh/site-functions", folder] {
            fs::create_dir_all(prefix.join(path)).expect("new folders");
        }
        if !file.is_empty() {
            fs::write(prefix.join(file), "in the way").expect("a new file");
        }
        let before = (contents(&prefix), folders(&prefix));
        refused(&install(&world, &prefix).run(), why);
        assert_eq!((contents(&prefix), folders(&prefix)), before, "{file}{folder}");
    }
}

#[test]
fn a_woci_that_cannot_print_its_man_page_is_not_installed() {
    let world = World::new();
    world.write("broken", "#!/bin/sh\necho no man page >&2\nexit 3\n");
    let broken = format!("PRINTER={}", world.path("broken").display());
    let run =
        world.shell(&format!("chmod 755 broken && exec {} {broken}", words(&world.path("prefix")).join(" ")));
    refused(&run.run(), "no man page");
    assert!(!world.path("prefix").exists());
}

fn refused(run: &Run, why: &str) {
    assert_ne!(run.code(), 0, "{run}");
    assert!(run.stderr.contains(why), "{why}: {run}");
    assert!(
        run.stderr.contains("nothing was installed") && run.stderr.contains("make install PREFIX="),
        "{run}"
    );
    assert!(!run.stdout.contains("installed"), "{run}");
}

fn install<'w>(world: &'w World, prefix: &Path) -> Woci<'w> {
    world.shell(&format!("exec {}", words(prefix).join(" ")))
}

/// The words of a shell's command.
fn words(prefix: &Path) -> Vec<String> {
    let (root, program) = (env!("CARGO_MANIFEST_DIR"), woci_program());
    let program = fs::canonicalize(program).expect("it is built");
    let mut words = vec!["make".to_owned(), "--no-print-directory".into(), format!("--directory='{root}'")];
    words.extend(["-o", "build", "-o", "printer", "install"].map(str::to_owned));
    words.extend(["WOCI", "PRINTER"].map(|name| format!("{name}='{}'", program.display())));
    words.push(format!("PREFIX='{}'", prefix.display()));
    words
}

/// Every file below, with its bytes.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = below(folder).into_iter().filter(|path| !path.ends_with('/'));
    files.map(|path| (path.clone(), fs::read(folder.join(path)).expect("it can be read"))).collect()
}

fn folders(folder: &Path) -> Vec<String> {
    below(folder).into_iter().filter(|path| path.ends_with('/')).collect()
}

/// The paths below; those of folders end with a slash.
fn below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("it can be listed") {
        let path = entry.expect("it can be listed").path();
        let name = path.file_name().expect("it has one").to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() {
            found.extend(below(&path).into_iter().map(|inner| format!("{name}/{inner}")));
            found.push(format!("{name}/"));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}
