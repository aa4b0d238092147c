//! Log4j 2 configuration of Flink's processes: levels from `logging.log4jLoggers`, or a user's own XML template.
//!
//! Log lines go to the file that `-Dlog.file` names, cut at a size; standard output stays the program's own. Owns the
//! two placeholders that platform templates use: `{{ rootLoggerLogLevel }}` and the loop over `userConfiguredLoggers`.

use drey_model::deployment::Logging;
use drey_model::meta::TextMap;

/// Size at which a log file is put aside.
const LOG_BYTES_MAX: &str = "10MB";
/// Log files put aside: with the current one at most 60 MB per process.
const LOG_FILES_MAX: u32 = 5;
const PATTERN: &str = "%d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %-60c %x - %m%n";

/// A Log4j configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name; the extension tells Log4j the format.
    pub name: &'static str,
    /// Its text.
    pub text: String,
}

/// The Log4j configuration that `logging` asks for.
#[must_use]
pub fn render(logging: Option<&Logging>) -> File {
    let none = TextMap::new();
    let loggers = logging.and_then(|l| l.log4j_loggers.as_ref()).unwrap_or(&none);
    let template = logging.and_then(|l| l.log4j2_configuration_template.as_deref());
    match template.filter(|t| !t.trim().is_empty()) {
        Some(template) => File { name: "log4j.xml", text: expand(template, loggers) },
        None => File { name: "log4j.properties", text: properties(loggers) },
    }
}

fn root(loggers: &TextMap) -> String {
    level(loggers.get("").map_or("INFO", String::as_str))
}

/// A level that Log4j knows; anything else could change the meaning of the file.
fn level(text: &str) -> String {
    let upper = text.trim().to_ascii_uppercase();
    let is_word = !upper.is_empty() && upper.chars().all(|c| c.is_ascii_alphanumeric());
    if is_word { upper } else { "INFO".to_owned() }
}

fn named(loggers: &TextMap) -> impl Iterator<Item = (&String, String)> {
    let is_name =
        |name: &str| !name.is_empty() && !name.contains(['\n', '\r', '"', '<', '&', '\\']);
    loggers.iter().filter(move |(name, _)| is_name(name)).map(|(name, text)| (name, level(text)))
}

fn properties(loggers: &TextMap) -> String {
    let mut lines = vec![
        "# Written by Drey for one cluster; changes here hold until it restarts.".to_owned(),
        "monitorInterval = 30".to_owned(),
        format!("rootLogger.level = {}", root(loggers)),
        "rootLogger.appenderRef.file.ref = File".to_owned(),
        "appender.file.name = File".to_owned(),
        "appender.file.type = RollingFile".to_owned(),
        "appender.file.append = true".to_owned(),
        "appender.file.fileName = ${sys:log.file}".to_owned(),
        "appender.file.filePattern = ${sys:log.file}.%i".to_owned(),
        "appender.file.layout.type = PatternLayout".to_owned(),
        format!("appender.file.layout.pattern = {PATTERN}"),
        "appender.file.policies.type = Policies".to_owned(),
        "appender.file.policies.size.type = SizeBasedTriggeringPolicy".to_owned(),
        format!("appender.file.policies.size.size = {LOG_BYTES_MAX}"),
        "appender.file.strategy.type = DefaultRolloverStrategy".to_owned(),
        format!("appender.file.strategy.max = {LOG_FILES_MAX}"),
        "logger.netty.name = org.jboss.netty.channel.DefaultChannelPipeline".to_owned(),
        "logger.netty.level = OFF".to_owned(),
    ];
    for (n, (name, level)) in named(loggers).enumerate() {
        lines.push(format!("logger.user{n}.name = {name}"));
        lines.push(format!("logger.user{n}.level = {level}"));
    }
    lines.join("\n") + "\n"
}

/// Fills in a platform template.
fn expand(template: &str, loggers: &TextMap) -> String {
    let mut text = template.to_owned();
    if let Some((before, body, after)) = user_loop(&text) {
        let lines =
            named(loggers).map(|(name, level)| put(&put(body, "name", name), "level", &level));
        let lines: String = lines.collect();
        text = format!("{before}{lines}{after}");
    }
    put(&text, "rootLoggerLogLevel", &root(loggers))
}

/// The template around and inside of `{% for … in userConfiguredLoggers %} … {% endfor %}`.
fn user_loop(text: &str) -> Option<(&str, &str, &str)> {
    let (head, rest) = text.split_once("userConfiguredLoggers")?;
    let (before, _) = head.rsplit_once("{%")?;
    let (_, rest) = rest.split_once("%}")?;
    let (body, tail) = rest.split_once("{%")?;
    let (end, after) = tail.split_once("%}")?;
    (end.trim_matches([' ', '-']) == "endfor").then_some((before, body, after))
}

/// Replaces `{{ name }}`, with any space around the name.
fn put(text: &str, name: &str, value: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        match after.split_once("}}") {
            Some((inner, tail)) if inner.trim() == name => {
                out.push_str(value);
                rest = tail;
            }
            _ => {
                out.push_str("{{");
                rest = after;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logging(loggers: &[(&str, &str)], template: Option<&str>) -> Logging {
        let loggers = loggers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Logging {
            logging_profile: None,
            log4j_loggers: Some(loggers),
            log4j2_configuration_template: template.map(str::to_owned),
        }
    }

    #[test]
    fn levels_reach_the_root_and_named_loggers() {
        let file = render(Some(&logging(&[("", "warn"), ("org.apache.flink", "DEBUG")], None)));
        assert_eq!(file.name, "log4j.properties");
        assert!(file.text.contains("rootLogger.level = WARN\n"));
        assert!(
            file.text
                .contains("logger.user0.name = org.apache.flink\nlogger.user0.level = DEBUG\n")
        );
        assert!(render(None).text.contains("rootLogger.level = INFO\n"));
    }

    #[test]
    fn a_logger_cannot_smuggle_in_other_settings() {
        let file = render(Some(&logging(
            &[("a\nappender.file.fileName = /etc/x", "INFO"), ("b", "INFO\nx = y")],
            None,
        )));
        assert!(!file.text.contains("/etc/x") && !file.text.contains("x = y"));
    }

    #[test]
    fn platform_templates_are_filled_in() {
        let template = "<Loggers>{%- for name, level in userConfiguredLoggers -%}<Logger name=\"{{ name }}\" \
                        level=\"{{level}}\"/>{%- endfor -%}<Root level=\"{{ rootLoggerLogLevel }}\"/></Loggers>";
        let file = render(Some(&logging(&[("", "ERROR"), ("a.b", "debug")], Some(template))));
        assert_eq!(file.name, "log4j.xml");
        assert_eq!(
            file.text,
            "<Loggers><Logger name=\"a.b\" level=\"DEBUG\"/><Root level=\"ERROR\"/></Loggers>"
        );
    }
}
