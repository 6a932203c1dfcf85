"""Real shells: TAB completes woci in bash, zsh and fish, and the man page is shown without a warning."""
import shutil

from harness import WOCI, Home, holds, run, same, system_package, write
from terminal_window import Window

PROMPT = "ready> "
PS1 = "PS1='re''ady> '"  # so that the prompt is not seen where it is typed

# The line that is typed, and what the shell makes of it after TAB.
COMPLETED = [
    ("woci sess", "woci session "),
    ("woci session r", "woci session refresh "),
    ("woci --sign-in n", "woci --sign-in never "),
    ("woci --profile wor", "woci --profile work "),
    ("woci --profile=wor", "woci --profile=work"),
    ("woci --manager-config notes-of", "woci --manager-config notes-of-ada.ini"),
    ("woci --manager-config=notes-of", "woci --manager-config=notes-of-ada.ini"),
    ("woci env --shell fi", "woci env --shell fish "),
    # Behind an oci word, the real oci is asked.
    ("woci vaul", "woci vault "),
    ("woci os ns get-m", "woci os ns get-metadata "),
    ("woci -- os n", "woci -- os ns "),
]


def journey(table):
    home = Home()
    (home.bin / "woci").symlink_to(WOCI)
    write(home.oci / "woci_manager.ini", "[prod]\n[work]\n")
    write(home.path / "notes-of-ada.ini", "")
    try:
        with table.proves("bash completes verbs, options, values, profiles, files and oci's words"):
            types(home, ["/bin/bash", "--norc", "--noprofile"], f"source <(woci completion bash); {PS1}")
        with table.proves("zsh does, with the script in fpath and when it is sourced"):
            zsh = system_package("zsh", lambda: shutil.which("zsh"))
            write(home.path / "zfunc/_woci", home.woci("completion", "zsh").expect(0).out)
            begin = f"unset zle_bracketed_paste; autoload -Uz compinit; compinit -u -D; {PS1}"
            types(home, [zsh, "-f"], f"fpath=(~/zfunc $fpath); {begin}")
            types(home, [zsh, "-f"], f"{begin}; source <(woci completion zsh)", COMPLETED[:3])
        with table.proves("fish does, and shows what each word is"):
            fish = system_package("fish", lambda: shutil.which("fish"))
            write(home.path / "woci.fish", home.woci("completion", "fish").expect(0).out)
            for line, expected in COMPLETED:
                asked = run([fish, "--no-config", "-c", f"source woci.fish; complete -C'{line}'"], env=home.env, cwd=home.path)
                words = [found.partition("\t")[0] for found in asked.expect(0).out.splitlines()]
                same(words, [expected.split()[-1]], line)
            shown = run([fish, "--no-config", "-c", "source woci.fish; complete -C'woci session '"], env=home.env, cwd=home.path)
            holds(shown.out, "authenticate\tsign in now")
        with table.proves("the man page has no warning of mandoc's lint, nor of man at 60, 80 and 120 columns"):
            page = write(home.path / "woci.1", home.woci("manual").expect(0).out)
            mandoc = system_package("mandoc", lambda: shutil.which("mandoc"))
            man = system_package("man-db", lambda: shutil.which("man"))
            same(run([mandoc, "-T", "lint", page]).out, "", "mandoc's lint")
            for width in ("60", "80", "120"):
                shown = run([man, "--warnings=w", "--local-file", page], env={**home.env, "MANWIDTH": width}).expect(0)
                same(shown.err, "", f"warnings at {width} columns")
                holds(shown.out, "--refresh-token-passphrase-env VAR", "session authenticate", "EXIT STATUS", "127")
    finally:
        home.remove()


def types(home, shell, begin, lines=COMPLETED):
    """Types each line and TAB into a shell, and waits until the line stands there in full."""
    # A terminal without escape sequences, wide enough for one line.
    with Window(shell, {**home.env, "TERM": "dumb"}, home.path, columns=200) as window:
        window.type(f"{begin}\n")
        for nth, (line, expected) in enumerate(lines):
            window.until(PROMPT, times=nth + 1)
            window.type(f"{line}\t")
            assert line != expected.strip(), "nothing is left to complete"
            window.until(f"{PROMPT}{expected.strip()}")
            window.type("\x15\n")
        window.until(PROMPT, times=len(lines) + 1)
        window.type("exit\n")
        window.exit()
