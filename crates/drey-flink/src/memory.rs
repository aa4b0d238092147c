//! Memory of Flink's processes, computed as Flink's own start scripts would, without their helper JVM.
//!
//! ```text
//! process ─┬─ JVM overhead            fraction 0.1 of process, 192 MiB … 1 GiB
//!          ├─ JVM metaspace           256 MiB
//!          └─ Flink ─┬─ framework heap + task heap ........ -Xms, -Xmx
//!                    ├─ off-heap + network ................ -XX:MaxDirectMemorySize
//!                    └─ managed                             fraction 0.4 of Flink
//! ```
//!
//! Owns the arithmetic, byte for byte, the user's overrides, and Flink's spelling of sizes. One thing differs from
//! Flink on purpose: where Flink's defaults leave a small process no room for the program, and the user asked for
//! nothing in particular, managed memory (TaskManager) or the JVM's reserves (JobManager) give way.
//!
//! Does not own which process gets how much: that is `resources` of the Deployment.

mod size;

use drey_model::meta::TextMap;
use drey_model::quantity;

pub use size::size;

/// 2^20.
pub const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// What the program should have at least, before managed memory may take its share.
const TASK_HEAP_COMFORT: u64 = 128 * MIB;
/// A JobManager with less heap than this does not live long.
const JM_HEAP_COMFORT: u64 = 160 * MIB;

/// Why a process cannot be laid out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not a size.
    #[error(
        "reading `{text}` as a memory size: write a whole number and a unit, such as `512m` or `2g`"
    )]
    Size {
        /// The text.
        text: String,
    },
    /// The text is not a quantity of `resources`.
    #[error("reading `{text}` as an amount of memory: it {why}")]
    Quantity {
        /// The text.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The value of a key is not usable.
    #[error("reading `{key}`: `{text}` is not {expected}")]
    Option {
        /// The key.
        key: String,
        /// Its value.
        text: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The parts are larger than the whole.
    #[error("laying out {process} bytes of memory for the {role}: {why}; {advice}")]
    TooSmall {
        /// `TaskManager` or `JobManager`.
        role: &'static str,
        /// The process size.
        process: u64,
        /// The key of the configuration that says this size; `None`: `resources` do.
        key: Option<String>,
        /// Which parts do not fit.
        why: String,
        /// What would work.
        advice: String,
    },
}

/// The memory of a TaskManager, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskManager {
    /// Everything.
    pub process: u64,
    /// What the JVM needs beside heap, direct memory and metaspace.
    pub jvm_overhead: u64,
    /// Class metadata.
    pub jvm_metaspace: u64,
    /// Heap of Flink itself.
    pub framework_heap: u64,
    /// Direct memory of Flink itself.
    pub framework_off_heap: u64,
    /// Heap of the program.
    pub task_heap: u64,
    /// Direct memory of the program.
    pub task_off_heap: u64,
    /// Memory of state backends and batch operators.
    pub managed: u64,
    /// Network buffers.
    pub network: u64,
}

impl TaskManager {
    /// Lays out a TaskManager of `process` bytes under the user's `config` (new key names).
    ///
    /// # Errors
    /// A setting that cannot be read, or parts that do not fit.
    pub fn new(process: u64, config: &TextMap) -> Result<Self, Error> {
        let parts = TmParts::read(config)?;
        let fit = |process| parts.fit(process).map(|tm| parts.give_way(tm));
        fit(process).map_err(|why| {
            let key = size_key("taskmanager", config);
            let advice = advice(
                |bytes| fit(bytes).is_ok(),
                quantity::TASK_MANAGER_BYTES_MIN,
                key.as_deref(),
            );
            Error::TooSmall { role: "TaskManager", process, key, why, advice }
        })
    }

    /// Flags of the JVM.
    #[must_use]
    pub fn jvm_flags(&self) -> Vec<String> {
        let heap = self.heap();
        let direct = self.framework_off_heap + self.task_off_heap + self.network;
        vec![
            format!("-Xms{heap}"),
            format!("-Xmx{heap}"),
            format!("-XX:MaxDirectMemorySize={direct}"),
            format!("-XX:MaxMetaspaceSize={}", self.jvm_metaspace),
        ]
    }

    /// The settings without which a TaskManager refuses to start; `cpu` is the number of cores it may report.
    #[must_use]
    pub fn settings(&self, cpu: f64) -> Vec<(&'static str, String)> {
        let bytes = |n: u64| format!("{n}b");
        vec![
            ("taskmanager.cpu.cores", format!("{cpu:?}")),
            ("taskmanager.memory.framework.heap.size", bytes(self.framework_heap)),
            ("taskmanager.memory.framework.off-heap.size", bytes(self.framework_off_heap)),
            ("taskmanager.memory.jvm-metaspace.size", bytes(self.jvm_metaspace)),
            ("taskmanager.memory.jvm-overhead.max", bytes(self.jvm_overhead)),
            ("taskmanager.memory.jvm-overhead.min", bytes(self.jvm_overhead)),
            ("taskmanager.memory.managed.size", bytes(self.managed)),
            ("taskmanager.memory.network.max", bytes(self.network)),
            ("taskmanager.memory.network.min", bytes(self.network)),
            ("taskmanager.memory.task.heap.size", bytes(self.task_heap)),
            ("taskmanager.memory.task.off-heap.size", bytes(self.task_off_heap)),
        ]
    }

    /// `-Xmx`.
    #[must_use]
    pub fn heap(&self) -> u64 {
        self.framework_heap + self.task_heap
    }
}

/// The memory of a JobManager, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobManager {
    /// Everything.
    pub process: u64,
    /// What the JVM needs beside heap, direct memory and metaspace.
    pub jvm_overhead: u64,
    /// Class metadata.
    pub jvm_metaspace: u64,
    /// Direct memory.
    pub off_heap: u64,
    /// `-Xmx`.
    pub heap: u64,
}

impl JobManager {
    /// Lays out a JobManager of `process` bytes under the user's `config` (new key names).
    ///
    /// # Errors
    /// A setting that cannot be read, or parts that do not fit.
    pub fn new(process: u64, config: &TextMap) -> Result<Self, Error> {
        let parts = JmParts::read(config)?;
        parts.fit(process).ok_or_else(|| {
            let key = size_key("jobmanager", config);
            let works = |bytes| parts.fit(bytes).is_some();
            let advice = advice(works, quantity::JOB_MANAGER_BYTES_MIN, key.as_deref());
            let why = "JVM overhead, metaspace and off-heap memory leave nothing for the heap";
            Error::TooSmall { role: "JobManager", process, key, why: why.to_owned(), advice }
        })
    }

    /// Flags of the JVM.
    #[must_use]
    pub fn jvm_flags(&self) -> Vec<String> {
        let (heap, metaspace) = (self.heap, self.jvm_metaspace);
        vec![
            format!("-Xms{heap}"),
            format!("-Xmx{heap}"),
            format!("-XX:MaxMetaspaceSize={metaspace}"),
        ]
    }
}

/// The process size of `role` (`jobmanager` or `taskmanager`): what `<role>.memory.process.size` says, else `resources`
/// (a quantity such as `1G`), else the platform's default (1G and 2G).
///
/// # Errors
/// A size that cannot be read.
pub fn process_size(role: &str, config: &TextMap, resources: Option<&str>) -> Result<u64, Error> {
    if let Some(text) = config.get(&format!("{role}.memory.process.size")) {
        return size(text);
    }
    let text = resources.unwrap_or(if role == "jobmanager" { "1G" } else { "2G" });
    quantity::memory(text).map_err(|why| Error::Quantity { text: text.to_owned(), why })
}

/// The key that decides the process size, if the configuration has it.
fn size_key(role: &str, config: &TextMap) -> Option<String> {
    Some(format!("{role}.memory.process.size")).filter(|key| config.contains_key(key))
}

/// `floor(x * r)`; Flink's fractions are 32-bit floats.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn share(fraction: f32, of: u64) -> u64 {
    (of as f64 * f64::from(fraction)).floor() as u64
}

/// A part that is a fraction of a whole, within limits.
#[derive(Debug, Clone, Copy)]
struct Range {
    fraction: f32,
    min: u64,
    max: u64,
}

impl Range {
    fn read(config: &TextMap, prefix: &str, default: Self) -> Result<Self, Error> {
        let part = |name: &str| format!("{prefix}.{name}");
        let range = Self {
            fraction: fraction(config, &part("fraction"))?.unwrap_or(default.fraction),
            min: bytes(config, &part("min"))?.unwrap_or(default.min),
            max: bytes(config, &part("max"))?.unwrap_or(default.max),
        };
        if range.min > range.max {
            let key = part("min");
            let text = config.get(&key).cloned().unwrap_or_else(|| range.min.to_string());
            return Err(Error::Option { key, text, expected: "at most the maximum" });
        }
        Ok(range)
    }

    fn of(self, whole: u64) -> u64 {
        share(self.fraction, whole).clamp(self.min, self.max)
    }
}

const OVERHEAD: Range = Range { fraction: 0.1, min: 192 * MIB, max: GIB };
const NETWORK: Range = Range { fraction: 0.1, min: 64 * MIB, max: i64::MAX as u64 };

/// The settings of a TaskManager's memory.
struct TmParts {
    overhead: Range,
    network: Range,
    metaspace: u64,
    framework_heap: u64,
    framework_off_heap: u64,
    task_off_heap: u64,
    task_heap: Option<u64>,
    managed: Option<u64>,
    managed_fraction: f32,
    /// The user asked for nothing that managed memory depends on.
    is_free: bool,
}

impl TmParts {
    fn read(config: &TextMap) -> Result<Self, Error> {
        let key = |name: &str| format!("taskmanager.memory.{name}");
        let get = |name: &str| bytes(config, &key(name));
        let asked = ["managed.size", "managed.fraction", "task.heap.size"];
        Ok(Self {
            overhead: Range::read(config, &key("jvm-overhead"), OVERHEAD)?,
            network: Range::read(config, &key("network"), NETWORK)?,
            metaspace: get("jvm-metaspace.size")?.unwrap_or(256 * MIB),
            framework_heap: get("framework.heap.size")?.unwrap_or(128 * MIB),
            framework_off_heap: get("framework.off-heap.size")?.unwrap_or(128 * MIB),
            task_off_heap: get("task.off-heap.size")?.unwrap_or(0),
            task_heap: get("task.heap.size")?,
            managed: get("managed.size")?,
            managed_fraction: fraction(config, &key("managed.fraction"))?.unwrap_or(0.4),
            is_free: !asked.iter().any(|name| config.contains_key(&key(name))),
        })
    }

    /// Flink's own layout; a task heap below zero is possible when [`Self::give_way`] may still mend it.
    fn fit(&self, process: u64) -> Result<TaskManager, String> {
        let jvm_overhead = self.overhead.of(process);
        let outside = jvm_overhead + self.metaspace;
        let flink = process.checked_sub(outside).ok_or_else(|| {
            format!("JVM overhead and metaspace alone take {} MiB", outside.div_ceil(MIB))
        })?;
        let fixed = self.framework_heap + self.framework_off_heap + self.task_off_heap;
        let mut managed = self.managed.unwrap_or_else(|| share(self.managed_fraction, flink));
        let (task_heap, network) = if let Some(task_heap) = self.task_heap {
            // Flink gives network what is left, and insists on its limits.
            let network = flink.checked_sub(fixed + managed + task_heap);
            let range = self.network.min..=self.network.max;
            let network = network.filter(|n| range.contains(n)).ok_or_else(|| {
                let left = flink.saturating_sub(fixed + managed + task_heap) / MIB;
                format!("{left} MiB are left for network memory, outside of its limits")
            })?;
            (task_heap, network)
        } else {
            let network = self.network.of(flink);
            if self.is_free {
                managed = managed.min(flink.saturating_sub(fixed + network));
            }
            let taken = fixed + managed + network;
            let rest = flink.checked_sub(taken).filter(|n| *n > 0 || self.is_free);
            let rest = rest.ok_or_else(|| {
                let (taken, flink) = (taken.div_ceil(MIB), flink / MIB);
                format!("framework, managed and network memory take {taken} MiB of {flink} MiB")
            })?;
            if rest + managed < 32 * MIB {
                return Err("less than 32 MiB are left for the program".to_owned());
            }
            (rest, network)
        };
        Ok(TaskManager {
            process,
            jvm_overhead,
            jvm_metaspace: self.metaspace,
            framework_heap: self.framework_heap,
            framework_off_heap: self.framework_off_heap,
            task_heap,
            task_off_heap: self.task_off_heap,
            managed,
            network,
        })
    }

    fn give_way(&self, mut tm: TaskManager) -> TaskManager {
        if self.is_free && tm.task_heap < TASK_HEAP_COMFORT {
            let moved = (TASK_HEAP_COMFORT - tm.task_heap).min(tm.managed);
            tm.managed -= moved;
            tm.task_heap += moved;
        }
        tm
    }
}

/// The settings of a JobManager's memory.
struct JmParts {
    overhead: Range,
    metaspace: u64,
    off_heap: u64,
    heap: Option<u64>,
    /// The user asked for nothing in particular.
    is_free: bool,
}

impl JmParts {
    fn read(config: &TextMap) -> Result<Self, Error> {
        let key = |name: &str| format!("jobmanager.memory.{name}");
        let get = |name: &str| bytes(config, &key(name));
        let prefixes = ["jvm-overhead.", "jvm-metaspace.", "off-heap.", "heap."].map(key);
        Ok(Self {
            overhead: Range::read(config, &key("jvm-overhead"), OVERHEAD)?,
            metaspace: get("jvm-metaspace.size")?.unwrap_or(256 * MIB),
            off_heap: get("off-heap.size")?.unwrap_or(128 * MIB),
            heap: get("heap.size")?,
            is_free: !config.keys().any(|k| prefixes.iter().any(|p| k.starts_with(p.as_str()))),
        })
    }

    fn fit(&self, process: u64) -> Option<JobManager> {
        let layout = |jvm_overhead: u64, jvm_metaspace: u64, off_heap: u64| {
            let rest = process.checked_sub(jvm_overhead + jvm_metaspace + off_heap)?;
            let heap = self.heap.unwrap_or(rest);
            let fits = heap <= rest && heap >= 64 * MIB;
            fits.then_some(JobManager { process, jvm_overhead, jvm_metaspace, off_heap, heap })
        };
        let stock = layout(self.overhead.of(process), self.metaspace, self.off_heap);
        if self.is_free && stock.is_none_or(|jm| jm.heap < JM_HEAP_COMFORT) {
            return layout(64 * MIB, 160 * MIB, 64 * MIB).or(stock);
        }
        stock
    }
}

/// Names the smallest process size, in MiB, that works, and how to write it where the size stands: `resources` have a
/// minimum of their own.
fn advice(works: impl Fn(u64) -> bool, resources_min: u64, key: Option<&str>) -> String {
    let (mut low, mut high) = (0_u64, 1 << 20);
    if !works(high * MIB) {
        return "no process size works with these settings".to_owned();
    }
    while high - low > 1 {
        let middle = u64::midpoint(low, high);
        if works(middle * MIB) { high = middle } else { low = middle }
    }
    let how = match key {
        Some(key) => format!("{key}: {high}m"),
        None => {
            let millions = (high * MIB).max(resources_min).div_ceil(1_000_000);
            format!("memory: {millions}m` in `resources")
        }
    };
    format!("the smallest size that works is {high} MiB: `{how}`")
}

fn bytes(config: &TextMap, key: &str) -> Result<Option<u64>, Error> {
    let Some(text) = config.get(key) else {
        return Ok(None);
    };
    let bad =
        || Error::Option { key: key.to_owned(), text: text.clone(), expected: "a memory size" };
    // A petabyte keeps every sum below far from the end of u64.
    size(text).map(|n| Some(n.min(1 << 50))).map_err(|_| bad())
}

fn fraction(config: &TextMap, key: &str) -> Result<Option<f32>, Error> {
    let Some(text) = config.get(key) else {
        return Ok(None);
    };
    let value = text.trim().parse().ok().filter(|f: &f32| (0.0..1.0).contains(f));
    let expected = "a fraction between 0 and 1";
    let bad = || Error::Option { key: key.to_owned(), text: text.clone(), expected };
    value.map(Some).ok_or_else(bad)
}

#[cfg(test)]
mod tests;
