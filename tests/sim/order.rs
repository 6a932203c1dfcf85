//! `sim order --woci PATH`: a linker script that puts side by side what warm starts touch, as valgrind sees them run.
//! src/build.rs gives it to the linker, whose own map of that woci stands beside it as PATH.map.

use super::bench::{Bench, CLUSTER};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

pub fn order(woci: &Path) -> ExitCode {
    let bench = Bench::new(woci);
    let map = fs::read_to_string(woci.with_extension("map")).expect("the linker has written its map");
    let pieces = pieces(&map);
    let mut touched: Vec<u64> = Vec::new();
    let mut most_frequent = BTreeSet::new();
    for args in [&[][..], &["env"], &["kube-credential", "--cluster-id", CLUSTER], &["os", "ns", "get"]] {
        let starts: BTreeSet<u64> = addresses(&bench, args)
            .into_iter()
            .filter_map(|address| {
                pieces.range(..=address).next_back().filter(|(_, piece)| address < piece.end)
            })
            .map(|(start, _)| *start)
            .collect();
        touched.extend(starts.iter().filter(|start| !touched.contains(start)).collect::<Vec<_>>());
        if args.is_empty() {
            most_frequent = starts;
        }
    }
    let patterns = |kind: &str| {
        let mut patterns: Vec<String> = Vec::new();
        for piece in touched.iter().map(|start| &pieces[start]).filter(|piece| piece.name.starts_with(kind)) {
            patterns.extend(pattern(piece).filter(|pattern| !patterns.contains(pattern)));
        }
        // Those last that take along what is not touched.
        patterns.sort_by_cached_key(|pattern| dilution(pattern, &pieces, &most_frequent));
        patterns.iter().map(|pattern| format!("    *{pattern}\n")).collect::<String>()
    };
    print!("/* Made by `make order`: what a warm start touches. */\nSECTIONS {{\n  .rodata.start : {{\n");
    print!("    *(.rodata.cst*)\n    *libc.a:(.rodata*.str1.*)\n{}", patterns(".rodata"));
    // Constants without a lasting name are small, and kept together.
    print!("    *(.rodata..L*)\n    *(.rodata*.str1.*)\n  }}\n{CONSTANTS}}}\nINSERT BEFORE .init;\n");
    // The last call of every program runs .fini, of one byte.
    print!("SECTIONS {{\n  .fini : {{ KEEP (*(SORT_NONE(.fini))) }}\n");
    print!("  .text.start : {{\n{}  }}\n}}\nINSERT BEFORE .text;\n", patterns(".text"));
    // So that those that are touched share a page with the zeros after them.
    print!("SECTIONS {{\n  .data.cold : {{\n");
    for (_, piece) in pieces.iter().filter(|(start, piece)| is_large_and_cold(piece, **start, &touched)) {
        println!("    *{}", pattern(piece).unwrap_or_default());
    }
    print!("    . = ALIGN(4096);\n  }}\n}}\nINSERT BEFORE .data;\n");
    print!(
        "SECTIONS {{\n  .bss.start : {{\n{}    *libc.a:(COMMON)\n  }}\n}}\nINSERT BEFORE .bss;\n",
        patterns(".bss")
    );
    ExitCode::SUCCESS
}

/// All of them before the code, as ld's script has them behind it: with the file's headers, one mapping less to make.
/// The kernel maps 64 KiB at a time, and the code begins with such a piece.
const CONSTANTS: &str = "  .rodata : { *(.rodata .rodata.* .gnu.linkonce.r.*) }
  .eh_frame_hdr : { *(.eh_frame_hdr) *(.eh_frame_entry .eh_frame_entry.*) }
  .eh_frame : ONLY_IF_RO { KEEP (*(.eh_frame)) *(.eh_frame.*) }
  .gcc_except_table : ONLY_IF_RO { *(.gcc_except_table .gcc_except_table.*) }
  . = ALIGN(65536);
";

/// An input section: a function, a constant or a variable.
struct Piece {
    end: u64,
    name: String,
    file: String,
}

/// By their addresses. The map says ` NAME 0xADDRESS 0xSIZE FILE`, and after a long name begins a new line.
fn pieces(map: &str) -> BTreeMap<u64, Piece> {
    let mut pieces = BTreeMap::new();
    let mut name = "";
    for line in map.lines() {
        let mut words = line.split_whitespace();
        if line.starts_with(" .") || line.starts_with(" COMMON ") {
            name = words.next().unwrap_or_default();
        }
        let mut number = || u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
        let (Some(start), Some(size)) = (number(), number()) else { continue };
        let file = words.collect::<Vec<_>>().join(" ");
        if !name.is_empty() && start != 0 && size != 0 {
            pieces.insert(start, Piece { end: start + size, name: name.into(), file });
        }
        name = "";
    }
    pieces
}

/// Whatever a run reads, writes or executes.
fn addresses(bench: &Bench, args: &[&str]) -> BTreeSet<u64> {
    let woci = bench.woci(args);
    let trace = bench.home.join("trace");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=lackey", "--trace-mem=yes"]).arg(format!("--log-file={}", trace.display()));
    valgrind.arg(woci.get_program()).args(woci.get_args()).env_clear();
    valgrind.envs(woci.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let done = valgrind.output().expect("valgrind is installed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let trace = fs::read_to_string(trace).expect("valgrind wrote a trace");
    // `I  0401000,3`; `L`, `S` and `M` are those of data.
    let accesses = trace.lines().filter_map(|line| line.trim_start().split_once(' '));
    let accesses = accesses.filter(|(kind, _)| ["I", "L", "S", "M"].contains(kind));
    accesses.filter_map(|(_, at)| u64::from_str_radix(at.trim_start().split(',').next()?, 16).ok()).collect()
}

/// How the script names it: without what differs from compiler to compiler, which is hashes and what LTO puts behind a
/// dot. None where its name says nothing.
fn pattern(piece: &Piece) -> Option<String> {
    let name = piece.name.as_str();
    if [".rodata..L", ".rodata.cst", ".rodata.str"].iter().any(|anonymous| name.starts_with(anonymous)) {
        return None;
    }
    if let Some(at) = name.rfind("17h").filter(|_| name.contains("_ZN")) {
        return Some(format!("({}*)", &name[..at]));
    }
    if name.contains("_R") {
        // A crate is `Cs`, a hash, `_` and its name (RFC 2603).
        let mut parts = name.split("Cs");
        let mut pattern = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            match part.split_once('_') {
                Some((hash, rest)) if hash.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                    pattern += "Cs*_";
                    pattern += rest;
                }
                _ => {
                    pattern += "Cs";
                    pattern += part;
                }
            }
        }
        let mangled = pattern.find("_R").unwrap_or_default();
        let end = pattern[mangled..].find('.').map(|dot| mangled + dot);
        return Some(end.map_or(format!("({pattern})"), |end| format!("({}*)", &pattern[..end])));
    }
    if name.matches('.').count() > 1 {
        return Some(format!("({name})"));
    }
    // C that was compiled whole, and assembler.
    let file = piece.file.rsplit('/').next()?;
    match file.strip_suffix(')').and_then(|file| file.split_once('(')) {
        Some((archive, member)) => (archive == "libc.a").then(|| format!("{archive}:{member}({name})")),
        None => file.starts_with("crt").then(|| format!("{file}({name})")),
    }
}

fn is_large_and_cold(piece: &Piece, start: u64, touched: &[u64]) -> bool {
    piece.name.starts_with(".data._") && piece.end - start >= 1024 && !touched.contains(&start)
}

/// How many bytes that are not touched come with a thousand that are.
fn dilution(pattern: &str, pieces: &BTreeMap<u64, Piece>, touched: &BTreeSet<u64>) -> u64 {
    let Some(name) = pattern.strip_prefix('(').and_then(|pattern| pattern.strip_suffix(')')) else {
        return 0; // one file's
    };
    let (mut warm, mut cold) = (1, 0);
    for (start, piece) in pieces.iter().filter(|(_, piece)| matches(name, &piece.name)) {
        *(if touched.contains(start) { &mut warm } else { &mut cold }) += piece.end - start;
    }
    cold * 1000 / warm
}

/// `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, "")) => name.starts_with(head),
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            (0..rest.len()).filter_map(|at| rest.get(at..)).any(|rest| matches(tail, rest))
        }),
    }
}
