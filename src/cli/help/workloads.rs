//! `woci help workloads`: how jobs of CI systems get a session.

use super::{paragraphs, wrapped};

/// How a job of one kind gets a session. The tests run the settings of each.
struct Recipe {
    place: &'static str,
    about: &'static str,
    /// Lines of the profile's section of woci_manager.ini.
    settings: &'static str,
    /// Where `lines` stand.
    beside: &'static str,
    lines: &'static str,
}

const RECIPES: &[Recipe] = &[
    Recipe {
        place: "GitHub Actions and Forgejo",
        about: "The token names the repository, the branch and the workflow. In Forgejo, the job has \
                `enable-openid-connect: true` in place of the permission.",
        settings: "subject_token_from = github\n\
                   subject_token_audience = oci",
        beside: "the job",
        lines: "permissions:\n  id-token: write\nsteps:\n  - run: woci --manager-config woci_manager.ini os ns get",
    },
    Recipe {
        place: "GitLab",
        about: "The job names the variable. Its token does not change while the job runs, so that the session can be \
                renewed only until that token expires.",
        settings: "subject_token_env = OCI_ID_TOKEN\n\
                   subject_token_audience = oci",
        beside: "the job",
        lines: "id_tokens:\n  OCI_ID_TOKEN:\n    aud: oci\n\
                script:\n  - woci --manager-config woci_manager.ini os ns get",
    },
    Recipe {
        place: "Bitbucket",
        about: "The token does not change while the step runs, so that the session can be renewed only until that \
                token expires.",
        settings: "subject_token_env = BITBUCKET_STEP_OIDC_TOKEN\n\
                   subject_token_audience = oci",
        beside: "the pipeline",
        lines: "- step:\n    oidc:\n      audiences:\n        - oci\n\
                \x20   script:\n      - woci --manager-config woci_manager.ini os ns get",
    },
    Recipe {
        place: "Azure DevOps",
        about: "The token names the pipeline, or the service connection whose ID is in \
                subject_token_service_connection. Azure DevOps alone chooses the audience.",
        settings: "subject_token_from = azure\n\
                   subject_token_audience = api://AzureADTokenExchange",
        beside: "the job",
        lines: "steps:\n  - script: woci --manager-config woci_manager.ini os ns get\n\
                \x20   env:\n      SYSTEM_ACCESSTOKEN: $(System.AccessToken)",
    },
    Recipe {
        place: "Kubernetes",
        about: "The cluster replaces the token in the file before it expires.",
        settings: "subject_token_file = /var/run/secrets/tokens/oci\n\
                   subject_token_audience = oci",
        beside: "the pod",
        lines: "containers:\n  - volumeMounts:\n      - name: oci-token\n\
                \x20       mountPath: /var/run/secrets/tokens\n\
                volumes:\n  - name: oci-token\n    projected:\n      sources:\n\
                \x20       - serviceAccountToken:\n            audience: oci\n            path: oci",
    },
];

pub(super) fn workloads() -> String {
    let mut text = paragraphs(
        "\
A job that has a token of its own needs no person. woci exchanges the token at the OCI identity domain for a session, \
and reads or fetches the token again at each renewal; nothing else is stored. A token that has expired, is not valid yet \
or names another audience is refused before it is sent.

The profile's section of woci_manager.ini has these, whatever the job runs on:

    token_exchange_url = https://idcs-1a2b.example.com/oauth2/v1/token
    client_id = 1a2b3c
    client_secret_env = OCI_CLIENT_SECRET
    region = eu-frankfurt-1

and those of one of the places below. An identity propagation trust of the domain names the issuer of the token and \
the client. With --daemon, --auto-refresh and in a kubeconfig, woci renews the session in the same way.
",
    );
    for Recipe { place, about, settings, beside, lines } in RECIPES {
        text += &format!("\n{place}:\n{}", wrapped(about, 2, 2));
        for (name, block) in [("woci_manager.ini", settings), (*beside, lines)] {
            text += &format!("  In {name}:\n");
            text.extend(block.lines().map(|line| format!("    {line}\n")));
        }
    }
    text + "\nAs a resource in place of a user:\n"
        + &wrapped(
            "The session is that of a resource (RPST), for a trust whose subject is a resource. Policies may then go \
             by claims of the job's token, and no user is needed. An RPST may be valid for up to 12 hours.",
            2,
            2,
        )
        + "  In woci_manager.ini, in addition:\n    requested_token = rpst\n    res_type = githubactions\n"
}
