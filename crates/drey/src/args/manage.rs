//! Verbs about what Deployments need beside them, and about the command line itself: contexts, tokens, namespaces, secret
//! values, artifacts; what a document would change, and what its members mean.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `drey diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Asks the server what `drey apply` would make of the files, and changes nothing. Values of secrets are never shown.
Ends with 0 when nothing would change, 1 when something would, 2 or more on an error.

Examples:
  drey diff -f deployment.yaml
  drey diff -f jobs/ -o json | jq '.items[] | select(.action != \"unchanged\")'
  drey diff -f deployment.yaml || drey apply -f deployment.yaml --wait")]
pub(crate) struct Diff {
    /// File, folder, URL, or - for standard input; YAML or JSON, also several documents. Repeatable
    #[arg(short, long = "filename", required = true, value_name = "FILE|DIR|URL|-")]
    pub(crate) files: Vec<String>,
}

/// `drey explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Needs no server: what is printed is what this drey was built with.

Examples:
  drey explain deployment
  drey explain deployment.spec.restoreStrategy
  drey explain dep.spec.template.spec --recursive
  drey explain deployment.spec -o json            its JSON schema")]
pub(crate) struct Explain {
    /// Kind, or a member of it: deployment.spec.template
    #[arg(value_name = "KIND[.PATH]")]
    pub(crate) what: String,
    /// Also the members of members
    #[arg(short, long)]
    pub(crate) recursive: bool,
}

/// `drey context`.
#[derive(Debug, Args)]
#[command(after_help = "\
Contexts are in $XDG_CONFIG_HOME/drey/config.yaml (default ~/.config/drey/config.yaml), which only its owner may read:

  current-context: prod
  contexts:
  - {name: prod, server: https://drey.example, namespace: payments, token-file: /home/ann/prod.token}

Flags win over environment variables (DREY_SERVER, DREY_NAMESPACE, DREY_TOKEN, DREY_TOKEN_FILE, DREY_CONTEXT), and these
over the context. The token of a context is sent to that context's server only. Tokens are never printed.

Examples:
  drey context add dev --server http://127.0.0.1:8080
  drey context add prod --server https://drey.example -n payments --token-file ~/prod.token --use
  pass drey/prod | drey context add prod --token-stdin
  drey context use prod
  drey get dep --context dev")]
pub(crate) struct ContextCommand {
    /// What to do
    #[command(subcommand)]
    pub(crate) verb: ContextVerb,
}

/// What to do with contexts.
#[derive(Debug, Subcommand)]
pub(crate) enum ContextVerb {
    /// List the contexts; the one in use has a star
    List,
    /// Show one: the one in use unless named
    Show {
        /// Context
        name: Option<String>,
    },
    /// Work with this one from now on
    Use {
        /// Context
        name: String,
    },
    /// Add one, or change it: --server, --namespace and --token-file are what it will hold
    Add(ContextAdd),
    /// Remove one
    #[command(visible_alias = "delete")]
    Remove {
        /// Context
        name: String,
    },
}

/// `drey context add`.
#[derive(Debug, Args)]
pub(crate) struct ContextAdd {
    /// Its name
    pub(crate) name: String,
    /// Read the token from standard input and keep it in the file
    #[arg(long, conflicts_with = "token_file")]
    pub(crate) token_stdin: bool,
    /// Work with it from now on
    #[arg(long = "use")]
    pub(crate) use_it: bool,
}

/// `drey token`.
#[derive(Debug, Args)]
#[command(after_help = "\
A token is for one namespace (-n) and one role. It is shown once, when it is made: on standard output, alone.

Examples:
  drey token create ci --role editor -n payments > ci.token
  drey token list
  drey token delete ci --yes")]
pub(crate) struct TokenCommand {
    /// What to do
    #[command(subcommand)]
    pub(crate) verb: TokenVerb,
}

/// What to do with API tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenVerb {
    /// Make one and print it
    Create {
        /// Its name
        name: String,
        /// What it may do: viewer looks, editor runs jobs, owner also decides where and who
        #[arg(long, value_parser = ["viewer", "editor", "owner"])]
        role: String,
    },
    /// List those of the namespace, without what they hold
    List,
    /// Delete one; who shows it is refused from then on
    Delete {
        /// Token
        name: String,
    },
}

/// `drey namespace`.
#[derive(Debug, Args)]
#[command(after_help = "\
Deleting a namespace cancels its Deployments and removes everything in it; snapshots stay in storage.

Examples:
  drey namespace create payments
  drey namespace list
  drey edit namespace payments          who may do what in it
  drey namespace delete payments")]
pub(crate) struct NamespaceCommand {
    /// What to do
    #[command(subcommand)]
    pub(crate) verb: NamespaceVerb,
}

/// What to do with namespaces.
#[derive(Debug, Subcommand)]
pub(crate) enum NamespaceVerb {
    /// Make one
    Create {
        /// Its name
        name: String,
    },
    /// List those that you may see
    List,
    /// Delete one with all that is in it
    Delete {
        /// Namespace
        name: String,
    },
}

/// `drey secret`.
#[derive(Debug, Args)]
#[command(after_help = "\
Deployments name a secret as ${NAME} in flinkConfiguration and in jarUri; it is filled in where a job starts.

Examples:
  drey secret set db-password --from-file password.txt
  pass db | drey secret set db-password
  drey secret list
  drey secret delete db-password")]
pub(crate) struct SecretCommand {
    /// What to do
    #[command(subcommand)]
    pub(crate) verb: SecretVerb,
}

/// What to do with secret values.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretVerb {
    /// Give a secret a value, read from standard input or a file; makes the secret if there is none
    Set(SecretSet),
    /// List the secrets, without their values
    List,
    /// Delete one that no Deployment names
    Delete {
        /// Secret
        name: String,
    },
}

/// `drey secret set`.
#[derive(Debug, Args)]
pub(crate) struct SecretSet {
    /// Its name
    pub(crate) name: String,
    /// Read the value from this file
    #[arg(long, value_name = "FILE")]
    pub(crate) from_file: Option<PathBuf>,
    /// Keep a newline at the end as a part of the value
    #[arg(long)]
    pub(crate) keep_newline: bool,
}

/// `drey artifact`.
#[derive(Debug, Args)]
#[command(after_help = "\
Uploading a file of the same name replaces it. The URI is printed on standard output, alone.

Examples:
  drey artifact upload target/job.jar
  URI=$(drey artifact upload target/job.jar --name job-1.2.jar)
  drey artifact list
  drey artifact delete job-1.1.jar")]
pub(crate) struct ArtifactCommand {
    /// What to do
    #[command(subcommand)]
    pub(crate) verb: ArtifactVerb,
}

/// What to do with artifacts.
#[derive(Debug, Subcommand)]
pub(crate) enum ArtifactVerb {
    /// Upload a file and print the URI to use as jarUri
    Upload {
        /// File
        file: PathBuf,
        /// Store it under this name instead of its own
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// List those of the namespace
    List,
    /// Delete one
    Delete {
        /// Artifact
        name: String,
    },
}
