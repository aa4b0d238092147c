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
    let text = r#"<C a="{{ jobId }}" b="{{-deploymentId-}}">{% for k, v in userConfiguredLoggers %}<L n="{{k}}" l="{{v}}"/>{% endfor %}</C>"#;
    let filled = Template::parse(text).unwrap().fill(&values());
    assert_eq!(filled, r#"<C a="j1" b="d1"><L n="org.a" l="DEBUG"/><L n="org.b" l="OFF"/></C>"#);
    let none = Values { loggers: BTreeMap::new(), ..values() };
    assert_eq!(Template::parse(text).unwrap().fill(&none), r#"<C a="j1" b="d1"></C>"#);
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    for (text, line, word) in [
        ("<C>\n{{ rootLogLevel }}</C>", 2, "no variable rootLogLevel"),
        ("<C>{{ name }}</C>", 1, "no variable name"),
        ("<C>\n\n{{ level | upper }}</C>", 3, "a variable alone"),
        ("<C>\n{% for x in userConfiguredLoggers %}{% endfor %}</C>", 2, "Write the loop as"),
        ("<C>\n{% for a, b in loggers %}{% endfor %}</C>", 2, "Write the loop as"),
        ("<C>\n{% for a, b in userConfiguredLoggers %}</C>", 2, "no {% endfor %}"),
        ("<C>{% endfor %}</C>", 1, "without its for"),
        ("<C>\n{% if x %}</C>", 2, "if is not understood"),
        ("<C>\n<D></C>", 2, "closes <D> of line 2"),
        ("<C>\n<D/>\n", 1, "<C> is not closed"),
        ("<C>\n<D a=\"1/>\n</C>", 2, "quote is missing"),
        ("<C/>\n<D/>", 2, "second"),
        ("</C>", 1, "closes nothing"),
        ("<C><!-- x</C>", 1, "not closed by -->"),
        ("rootLogger.level = INFO\n", 1, "Expected one XML element"),
        ("text <C/>", 1, "outside"),
        ("<C/> text", 1, "Expected one XML element"),
        ("", 1, "Expected one XML element"),
    ] {
        let fault = Template::parse(text).unwrap_err();
        assert!(fault.line == line && fault.why.contains(word), "{text:?}: {fault}");
    }
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
        "\u{feff}<?xml version=\"1.0\"?>\n<!DOCTYPE x>\n<C a='>' b=\"'\"><![CDATA[ <not> & a tag ]]></C >\n<!-- end -->\n",
        "<C\n  a = \"1\"\n/>",
        "<a><a><a/></a></a>",
    ] {
        Template::parse(text).unwrap();
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_and_a_value_changes_no_tag(
        text in "[<>/a-c\"' ={}%\\n-]{0,40}|(<a>|</a>|\\{\\{ ?jobId ?\\}\\}|\\{% for a, b in userConfiguredLoggers %\\}|\\{% endfor %\\}|x){0,8}",
        value in "\\PC+",
    ) {
        if let Ok(template) = Template::parse(&text) {
            let values = Values { job_id: value, ..values() };
            prop_assert!(is_xml(&template.fill(&values)).is_ok());
        }
    }
}
