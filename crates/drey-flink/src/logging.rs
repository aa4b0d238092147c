//! Log4j 2 configuration of Flink's processes: levels from `logging.log4jLoggers`, or a user's own XML template.
//!
//! Log lines go to the file that `-Dlog.file` names, cut at a size; standard output stays the program's own. Owns the
//! profile `default`. The grammar of templates is [`drey_model::log_template`].

use drey_model::deployment::Logging;
use drey_model::log_template::{Template, Values};
use drey_model::meta::TextMap;
use uuid::Uuid;

/// Size at which a log file is put aside.
const LOG_BYTES_MAX: &str = "10MB";
/// Log files put aside: with the current one at most 60 MB per process.
const LOG_FILES_MAX: u32 = 5;
/// Tells of every closed connection.
const NOISY: &str = "org.jboss.netty.channel.DefaultChannelPipeline";
const PATTERN: &str = "%d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %-60c %x - %m%n";

/// A Log4j configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name; the extension tells Log4j the format.
    pub name: &'static str,
    /// Its text.
    pub text: String,
}

/// Whose processes write the log; a template may name it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Namespace.
    pub namespace: &'a str,
    /// Id of the Deployment or SessionCluster.
    pub owner_id: Uuid,
    /// Name of the Deployment or SessionCluster.
    pub owner_name: &'a str,
    /// Id of the Job or run.
    pub run_id: Uuid,
}

/// The Log4j configuration that is asked for.
#[must_use]
pub fn render(logging: Option<&Logging>, subject: &Subject<'_>) -> File {
    let none = TextMap::new();
    let loggers = logging.and_then(|l| l.log4j_loggers.as_ref());
    let loggers = loggers.unwrap_or(&none);
    let name = file_name(logging);
    let Some(template) = template(logging) else {
        return File { name, text: properties(loggers) };
    };
    let values = Values {
        root_level: root(loggers),
        loggers: named(loggers).map(|(name, level)| (name.clone(), level)).collect(),
        namespace: subject.namespace.to_owned(),
        deployment_id: subject.owner_id.to_string(),
        deployment_name: subject.owner_name.to_owned(),
        job_id: subject.run_id.to_string(),
    };
    File { name, text: template.fill(&values) }
}

/// The name of that file; the extension tells Log4j the format.
#[must_use]
pub fn file_name(logging: Option<&Logging>) -> &'static str {
    if template(logging).is_some() { "log4j.xml" } else { "log4j.properties" }
}

/// The user's template. One that cannot be read, stored before templates were checked, gives way to the profile.
fn template(logging: Option<&Logging>) -> Option<Template<'_>> {
    let text = logging?.log4j2_configuration_template.as_deref()?;
    Template::parse(text).ok().filter(|_| !text.trim().is_empty())
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
    ];
    if !loggers.contains_key(NOISY) {
        lines.extend([
            format!("logger.netty.name = {NOISY}"),
            "logger.netty.level = OFF".to_owned(),
        ]);
    }
    for (n, (name, level)) in named(loggers).enumerate() {
        lines.push(format!("logger.user{n}.name = {name}"));
        lines.push(format!("logger.user{n}.level = {level}"));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(loggers: &[(&str, &str)], template: Option<&str>) -> File {
        let loggers = loggers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let logging = Logging {
            logging_profile: None,
            log4j_loggers: Some(loggers),
            log4j2_configuration_template: template.map(str::to_owned),
        };
        let nobody = Uuid::nil();
        let subject = Subject {
            namespace: "default",
            owner_id: nobody,
            owner_name: "top-speed",
            run_id: nobody,
        };
        render(Some(&logging), &subject)
    }

    #[test]
    fn levels_reach_the_root_and_named_loggers() {
        let file = rendered(&[("", "warn"), ("org.apache.flink", "DEBUG")], None);
        assert_eq!(file.name, "log4j.properties");
        assert!(file.text.contains("rootLogger.level = WARN\n"));
        assert!(
            file.text
                .contains("logger.user0.name = org.apache.flink\nlogger.user0.level = DEBUG\n")
        );
        assert!(rendered(&[], None).text.contains("rootLogger.level = INFO\n"));
    }

    #[test]
    fn a_logger_that_the_profile_silences_can_be_turned_on() {
        let name = "org.jboss.netty.channel.DefaultChannelPipeline";
        let text = rendered(&[(name, "INFO")], None).text;
        assert_eq!(text.matches(name).count(), 1, "{text}");
        assert!(text.contains("logger.user0.level = INFO\n") && !text.contains("= OFF"), "{text}");
    }

    #[test]
    fn a_logger_cannot_smuggle_in_other_settings() {
        let file =
            rendered(&[("a\nappender.file.fileName = /etc/x", "INFO"), ("b", "INFO\nx = y")], None);
        assert!(!file.text.contains("/etc/x") && !file.text.contains("x = y"));
    }

    #[test]
    fn a_template_is_filled_in_and_wins_over_the_profile() {
        let template = "<Configuration n=\"{{ deploymentName }}\">{%- for name, level in userConfiguredLoggers -%}<Logger name=\"{{ name }}\" \
                        level=\"{{level}}\"/>{%- endfor -%}<Root level=\"{{ rootLoggerLogLevel }}\"/></Configuration>";
        let file = rendered(&[("", "ERROR"), ("a.b", "debug")], Some(template));
        assert_eq!(file.name, "log4j.xml");
        assert_eq!(
            file.text,
            "<Configuration n=\"top-speed\"><Logger name=\"a.b\" level=\"DEBUG\"/><Root level=\"ERROR\"/></Configuration>"
        );
        let broken =
            rendered(&[("", "ERROR")], Some("<Configuration>{{ nonsense }}</Configuration>"));
        assert!(broken.text.contains("rootLogger.level = ERROR\n"), "{broken:?}");
    }
}
