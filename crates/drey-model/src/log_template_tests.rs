//! Templates that are read, and those that are refused with their line.

use proptest::prelude::*;

use super::*;

/// A template of the platform's shape.
const PLATFORM: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- <a comment> -->
<Configuration xmlns="http://logging.apache.org/log4j/2.0/config" strict="true" status="WARN">
  <Appenders>
    <Appender name="File" type="RollingFile" fileName="${sys:log.file}" filePattern="${sys:log.file}.%i">
      <Layout pattern="%d{ISO8601} %highlight{%-5level} %style{%d}{blue} {{ namespace }}/{{deploymentName}} %m%n" type="PatternLayout"/>
    </Appender>
  </Appenders>
  <Loggers>
    {%- for name, level in userConfiguredLoggers -%}
      <Logger level="{{ level }}" name="{{ name }}"/>
    {%- endfor -%}
    <Root level="{{ rootLoggerLogLevel }}"><AppenderRef ref="File"/></Root>
  </Loggers>
</Configuration>
"#;

fn values() -> Values {
    Values {
        root_level: "WARN".to_owned(),
        loggers: BTreeMap::from([
            ("org.a".to_owned(), "DEBUG".to_owned()),
            ("org.b".to_owned(), "OFF".to_owned()),
        ]),
        namespace: "default".to_owned(),
        deployment_id: "d1".to_owned(),
        deployment_name: "a & b".to_owned(),
        job_id: "j1".to_owned(),
    }
}

#[test]
fn a_template_of_the_platform_is_filled_in() {
    let text = Template::parse(PLATFORM).unwrap().fill(&values());
    for piece in [
        r#"<Logger level="DEBUG" name="org.a"/>"#,
        r#"<Logger level="OFF" name="org.b"/>"#,
        r#"<Root level="WARN">"#,
        "%d{ISO8601} %highlight{%-5level} %style{%d}{blue} default/a &amp; b %m%n",
        "${sys:log.file}.%i",
    ] {
        assert!(text.contains(piece), "{piece} is not in\n{text}");
    }
    assert!(!text.contains("{%- ") && !text.contains("{{ "), "{text}");
}

#[test]
fn the_names_of_the_loop_are_free_and_the_ids_are_there() {
    let text = r#"<Configuration a="{{ jobId }}" b="{{-deploymentId-}}">{% for k, v in userConfiguredLoggers %}<L n="{{k}}" l="{{v}}"/>{% endfor %}</Configuration>"#;
    let filled = Template::parse(text).unwrap().fill(&values());
    assert_eq!(
        filled,
        r#"<Configuration a="j1" b="d1"><L n="org.a" l="DEBUG"/><L n="org.b" l="OFF"/></Configuration>"#
    );
    let none = Values { loggers: BTreeMap::new(), ..values() };
    assert_eq!(
        Template::parse(text).unwrap().fill(&none),
        r#"<Configuration a="j1" b="d1"></Configuration>"#
    );
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    for (text, line, word) in [
        ("<Configuration>\n{{ rootLogLevel }}</Configuration>", 2, "no variable rootLogLevel"),
        ("<Configuration>{{ name }}</Configuration>", 1, "no variable name"),
        ("<Configuration>\n\n{{ level | upper }}</Configuration>", 3, "a variable alone"),
        (
            "<Configuration>\n{% for x in userConfiguredLoggers %}{% endfor %}</Configuration>",
            2,
            "Write the loop as",
        ),
        (
            "<Configuration>\n{% for a, b in loggers %}{% endfor %}</Configuration>",
            2,
            "Write the loop as",
        ),
        (
            "<Configuration>\n{% for a, b in userConfiguredLoggers %}</Configuration>",
            2,
            "no {% endfor %}",
        ),
        ("<Configuration>{% endfor %}</Configuration>", 1, "without its for"),
        ("<Configuration>\n{% if x %}</Configuration>", 2, "if is not understood"),
        ("<Configuration>\n<D></Configuration>", 2, "closes <D> of line 2"),
        ("<Configuration>\n<D/>\n", 1, "<Configuration> is not closed"),
        ("<Configuration>\n<D a=\"1/>\n</Configuration>", 2, "quote is missing"),
        ("<Configuration/>\n<D/>", 2, "second"),
        ("</Configuration>", 1, "closes nothing"),
        ("<Configuration><!-- x</Configuration>", 1, "not closed by -->"),
        ("rootLogger.level = INFO\n", 1, "Expected one XML element"),
        ("text <Configuration/>", 1, "outside"),
        ("<Configuration/> text", 1, "Expected one XML element"),
        ("", 1, "Expected one XML element"),
    ] {
        let fault = Template::parse(text).unwrap_err();
        assert!(fault.line == line && fault.why.contains(word), "{text:?}: {fault}");
    }
}

#[test]
fn what_log4j_would_not_find_is_refused() {
    let without = PLATFORM.replace(" strict=\"true\"", "");
    let fault = Template::parse(&without).unwrap_err();
    assert!(fault.line == 5 && fault.why.contains("Add strict=\"true\""), "{fault}");
    assert!(fault.why.contains("or write <RollingFile>"), "{fault}");
    let plain = r#"<configuration STRICT="TRUE"><appenders><Appender Name="A" Type="Console"/></appenders>
<loggers><root level="INFO"><appender-ref ref="A"/></root></loggers></configuration>"#;
    Template::parse(plain).unwrap();
    for (from, to, line, word) in [
        ("configuration", "log4j:configuration", 1, "not <Configuration>"),
        ("ref=\"A\"", "ref=\"a\"", 2, "no appender of this template. There are: A."),
        ("appenders", "things", 2, "There are none."),
        (" Type=\"Console\"", "", 1, "has no type"),
        ("\"TRUE\"", "\"yes\"", 1, "strict"),
    ] {
        let fault = Template::parse(&plain.replace(from, to)).unwrap_err();
        assert!(fault.line == line && fault.why.contains(word), "{to}: {fault}");
    }
    for (from, to) in [
        ("ref=\"A\"", "ref=\"${sys:appender}\""),
        ("Name=\"A\"", "Name=\"${sys:appender}\""),
        ("<Appender Name=\"A\" Type=\"Console\"/>", "<Console name='A' target='a>b'/>"),
        ("<Appender Name=\"A\" Type=\"Console\"/>", "<Console><name>A</name></Console>"),
    ] {
        Template::parse(&plain.replace(from, to)).unwrap();
    }
}

#[test]
fn what_a_loop_repeats_is_whole() {
    let text =
        "\n{% for a, b in userConfiguredLoggers %}<Configuration>{% endfor %}</Configuration>";
    let fault = Template::parse(text).unwrap_err();
    assert_eq!((fault.line, fault.why.contains("whole elements")), (2, true), "{fault}");
}

#[test]
fn hostile_templates_cost_little() {
    for piece in ["{", "{{", "{%", "{{a", "<a>", "<a", "<!--", "{{ jobId }}\n", "<a b='", "\n"] {
        let text = piece.repeat(TEMPLATE_BYTES_MAX / piece.len());
        assert!(Template::parse(&text).is_err(), "{piece}");
    }
    let long = Template::parse(&" ".repeat(TEMPLATE_BYTES_MAX + 1)).unwrap_err();
    assert!(long.why.contains("more than 65536 bytes"), "{long}");
}

#[test]
fn xml_of_every_kind_passes() {
    for text in [
        "\u{feff}<?xml version=\"1.0\"?>\n<!DOCTYPE x>\n<Configuration a='>' b=\"'\"><![CDATA[ <not> & a tag ]]></Configuration >\n<!-- end -->\n",
        "<Configuration\n  a = \"1\"\n/>",
        "<configuration><a><a/></a></configuration>",
    ] {
        Template::parse(text).unwrap();
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_and_a_value_changes_no_tag(
        text in "[<>/a-c\"' ={}%\\n-]{0,40}|(<Configuration>|</Configuration>|<a>|</a>|\\{\\{ ?jobId ?\\}\\}|\\{% for a, b in userConfiguredLoggers %\\}|\\{% endfor %\\}|x){0,8}",
        value in "\\PC+",
    ) {
        if let Ok(template) = Template::parse(&text) {
            let values = Values { job_id: value, ..values() };
            prop_assert!(elements(&template.fill(&values)).is_ok());
        }
    }
}
