//! `drey quota`: the CPU quota, who uses it, and who waits for it.

use drey_model::quota::{Cores, QuotaUse, ResourceQuota};
use jiff::Timestamp;

use super::{Shell, printer};
use crate::args::Format;
use crate::client::typed;
use crate::duration::age;
use crate::failure::Result;
use crate::output::{put, table};

pub(super) async fn run(shell: &Shell) -> Result<()> {
    let doing = "reading the quota";
    let object = shell.client.get(doing, &["ext", "v1", "quota"], &[]).await?;
    if let Some(Format::Json | Format::Yaml | Format::Jsonl) = shell.format {
        return put(&printer::document(shell.format, &object)?);
    }
    let all: QuotaUse = typed(doing, object)?;
    let mut text = format!("{}\n", headline(&all.resource_quota));
    if !all.holders.is_empty() {
        text.push('\n');
        text.push_str(&table::holders(&all.holders).render(shell.headers, shell.out));
    }
    if !all.waiting.is_empty() {
        text.push('\n');
        let now = Timestamp::now();
        for waiter in &all.waiting {
            text.push_str(&format!(
                "waiting: {} {}/{} needs {} cores, since {}\n",
                waiter.kind,
                waiter.namespace,
                waiter.name,
                waiter.cpu,
                age(waiter.since, now)
            ));
        }
    }
    put(&text)
}

fn headline(quota: &ResourceQuota) -> String {
    let limit = quota.spec.limits.as_ref().map(|limits| limits.cpu);
    let Some(used) = quota.status.as_ref().map(|status| status.used.cpu) else {
        let of = limit.map_or("; no quota".to_owned(), |limit| format!(" of {limit}"));
        return format!(
            "CPU cores: unknown how many are used{of}, because a record is damaged; the server's log names it"
        );
    };
    let Some(limit) = limit else {
        return format!("CPU cores: {used} used; no quota");
    };
    let tolerated = quota.spec.tolerated_overuse.as_ref().map_or(Cores::ZERO, |more| more.cpu);
    let free = (limit + tolerated).less(used);
    format!("CPU cores: {used} used of {limit}, {tolerated} tolerated above; {free} free")
}
