//! Questions to a real JobManager, as somebody would ask them by hand with curl.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::wait_for;
use crate::http::Http;

/// The pause of a patient loop around curl.
const POLL: Duration = Duration::from_millis(20);
const REQUEST: Duration = Duration::from_secs(3);
const LIMIT: Duration = Duration::from_secs(180);

fn client(rest: SocketAddr) -> Http {
    Http::new(rest).patience(REQUEST)
}

/// Waits until all tasks run; returns when the last one began to, by Flink's record, in microseconds since 1970.
pub(super) fn all_running(rest: SocketAddr, job: &str) -> Result<u64> {
    let mut http = client(rest);
    wait_for("all tasks to run", LIMIT, POLL, || {
        // Until the JobManager listens there is no answer at all.
        let Ok(answer) = http.get("/v1/jobs/overview") else { return Ok(None) };
        if answer.status != 200 {
            return Ok(None);
        }
        let overview = answer.json()?;
        let is_it = |j: &&Value| j["jid"] == job;
        let Some(found) = overview["jobs"].as_array().and_then(|jobs| jobs.iter().find(is_it))
        else {
            return Ok(None);
        };
        let (running, total) = (&found["tasks"]["running"], &found["tasks"]["total"]);
        Ok((running == total && total.as_u64() > Some(0)).then_some(()))
    })?;
    last_start_us(&mut http, job)
}

fn last_start_us(http: &mut Http, job: &str) -> Result<u64> {
    let detail = http.get(&format!("/v1/jobs/{job}"))?.success("reading the job")?;
    let mut last_ms = 0;
    for vertex in detail["vertices"].as_array().context("a job has vertices")? {
        let id = vertex["id"].as_str().context("a vertex has an id")?;
        let path = format!("/v1/jobs/{job}/vertices/{id}/subtasktimes");
        let times = http.get(&path)?.success("reading the times of tasks")?;
        for task in times["subtasks"].as_array().context("a vertex has tasks")? {
            let at = task["timestamps"]["RUNNING"].as_u64().context("a task has begun to run")?;
            last_ms = last_ms.max(at);
        }
    }
    Ok(last_ms * 1000)
}

/// Stops a job with a savepoint and waits for it; returns where it is.
pub(super) fn stop_with_savepoint(rest: SocketAddr, job: &str, directory: &str) -> Result<String> {
    let mut http = client(rest);
    let trigger = Uuid::new_v4().simple().to_string();
    let body = json!({
        "drain": false, "targetDirectory": directory, "formatType": "CANONICAL", "triggerId": trigger,
    });
    http.call("POST", &format!("/v1/jobs/{job}/stop"), Some(&body))?.success("stopping the job")?;
    wait_for("the savepoint", LIMIT, POLL, || {
        let path = format!("/v1/jobs/{job}/savepoints/{trigger}");
        let state = http.get(&path)?.success("asking for the savepoint")?;
        if state["status"]["id"] != "COMPLETED" {
            return Ok(None);
        }
        match state["operation"]["location"].as_str() {
            Some(location) => Ok(Some(location.to_owned())),
            None => bail!("the savepoint failed: {}", state["operation"]),
        }
    })
}
