//! The help text, from the option table.

use crate::options::{Group, OPTIONS, Opt};

const USAGE: &str = "\
woci: a fresh Oracle Cloud session for oci, kubectl, Terraform and shells

Usage:
  woci [WOCI OPTIONS] [--] <oci command and its options>
                                   run oci with a valid session
  woci [WOCI OPTIONS]              print the credential as JSON
  woci [WOCI OPTIONS] <verb>

Verbs:
  credential                       print the credential as JSON
  env                              print exports: eval \"$(woci env)\"
  kube-credential --cluster-id OCID
                                   print the exec credential for kubectl
  kubeconfig --cluster-id OCID     print the kubeconfig entry that has kubectl ask woci
  session authenticate             sign in now, whatever session there is
  session refresh                  refresh now, without a person where possible
  help                             print this text

Woci options stand anywhere before a lone `--`, as --opt value or --opt=value. What follows `--` goes
to oci as it is. --help and --version after an oci command are oci's.
";

const FOOT: &str = "
Keys stand in the profile's section, or in [COMMON], of woci_manager.ini. Booleans there are true or
false, yes or no, on or off, 1 or 0.

Exit codes:
  0 done   1 it failed   2 wrong arguments or configuration   126, 127 oci cannot be run, or is not
  there   128+N ended by signal N   any other: oci's own
";

pub fn text() -> String {
    let mut text = USAGE.to_owned();
    for group in Group::ALL {
        text.push_str(&format!("\n{}:\n", group.title()));
        for opt in OPTIONS.iter().filter(|opt| opt.group == group) {
            text.push_str(&row(opt));
        }
    }
    text.push_str(
        "\nOthers:\n  -h, --help\n      print this text\n  --version\n      print woci's version\n",
    );
    text + FOOT
}

fn row(opt: &Opt) -> String {
    let value = if opt.value.is_empty() { String::new() } else { format!(" {}", opt.value) };
    let facts = [
        opt.default.map(|default| format!("default: {default}")),
        opt.key.map(|key| format!("key: {key}")),
        opt.variable.map(|variable| format!("variable: {variable}")),
        Some(format!("e.g. {}", opt.example)),
    ];
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    format!("  {}{value}\n      {}\n      [{}]\n", opt.name, opt.help, facts.join("; "))
}

#[cfg(test)]
mod tests {
    #[test]
    fn help() {
        crate::testing::golden::check("help.txt", &super::text());
    }
}
