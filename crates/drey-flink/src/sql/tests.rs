//! Scripts as people write them: what becomes of each statement, and what is said about those that have no place.

use proptest::prelude::*;

use super::*;

/// Steps in short: a letter, the place, the text.
fn steps(text: &str) -> Vec<String> {
    let script = Script::parse(text).unwrap();
    let shown = |Step { at: Place { line, column }, action }: Step| match action {
        Action::Create { key, value } => format!("{line}:{column} create {key}={value}"),
        Action::Set { key, value } => format!("{line}:{column} set {key}={value}"),
        Action::Reset { key } => format!("{line}:{column} reset {}", key.unwrap_or_default()),
        Action::Run(sql) => format!("{line}:{column} run {sql}"),
        Action::Insert(sql) => format!("{line}:{column} insert {sql}"),
        Action::Job(sql) => format!("{line}:{column} job {sql}"),
    };
    script.steps.into_iter().map(shown).collect()
}

fn problems(text: &str) -> Vec<String> {
    Script::parse(text).unwrap_err().0.iter().map(ToString::to_string).collect()
}

fn refused(text: &str, place: &str, says: &str) {
    let problems = problems(text);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].starts_with(&format!("{place}: ")), "{problems:?}");
    assert!(problems[0].contains(says), "{problems:?}");
}

const INSERT: &str = "INSERT INTO a SELECT 1";

#[test]
fn semicolons_in_strings_names_and_comments_end_no_statement() {
    let text = "-- first; a comment\nCREATE TABLE `a;b` (x STRING) WITH ('k' = 'it''s; fine'); /* two;\nlines */\n  \
                INSERT INTO `a;b` -- why; not\n    SELECT 'x;--y' // z;\n  ;\n;;";
    assert_eq!(
        steps(text),
        [
            "2:1 run CREATE TABLE `a;b` (x STRING) WITH ('k' = 'it''s; fine')",
            "4:3 insert INSERT INTO `a;b` -- why; not\n    SELECT 'x;--y'",
        ]
    );
}

#[test]
fn a_hint_is_no_comment_and_escapes_end_no_string() {
    let text =
        "INSERT INTO t SELECT * FROM s /*+ OPTIONS('a'='*/;') */ WHERE x = E'\\';' AND e'' <> '\\'";
    assert_eq!(steps(text), [format!("1:1 insert {text}")]);
    let text = "INSERT INTO t SELECT ELSE'\\';DROP TABLE x";
    assert_eq!(steps(text).len(), 2, "the E of another word begins no escaped string");
}

#[test]
fn places_count_characters_and_every_kind_of_line_end() {
    let text = "SET 'ä' = 'ö';USE a;\r\nUSE b;\rUSE c;\n\n 🐿";
    let text = format!("{text};{INSERT}");
    let places: Vec<_> =
        Script::parse(&text).unwrap().steps.into_iter().map(|s| s.at.to_string()).collect();
    let expected =
        ["1, column 1", "1, column 15", "2, column 1", "3, column 1", "5, column 2", "5, column 4"];
    assert_eq!(places, expected.map(|place| format!("line {place}")));
}

#[test]
fn every_way_to_write_a_statement_set_makes_one() {
    let expected = ["insert INSERT INTO a SELECT 1", "insert insert into b values (2)"];
    for text in [
        "INSERT INTO a SELECT 1; insert into b values (2)",
        "BEGIN STATEMENT SET; INSERT INTO a SELECT 1; insert into b values (2); END;",
        "begin statement set;\nINSERT INTO a SELECT 1; insert into b values (2);\nend",
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; insert into b values (2); END;",
        "STATEMENT SET BEGIN\nINSERT INTO a SELECT 1;\nEXECUTE insert into b values (2);\nEND",
        "INSERT INTO a SELECT 1; EXECUTE STATEMENT SET BEGIN insert into b values (2); END",
    ] {
        let steps = steps(text);
        let actions: Vec<_> = steps.iter().map(|step| step.split_once(' ').unwrap().1).collect();
        assert_eq!(actions, expected, "{text}");
    }
    let text = "INSERT INTO a SELECT CASE WHEN x THEN 1 END FROM t; INSERT OVERWRITE a SELECT 2";
    assert_eq!(steps(text).len(), 2, "END of a CASE closes nothing");
}

#[test]
fn settings_are_read_with_and_without_quotes() {
    let text = format!(
        "SET 'execution.runtime-mode' = 'batch';\nset table.local-time-zone=UTC;SET 'a'='it''s';SET a.b = -1;\
         {INSERT};\nRESET 'a';RESET table.exec.x;RESET"
    );
    assert_eq!(
        steps(&text),
        [
            "1:1 create execution.runtime-mode=batch",
            "2:1 set table.local-time-zone=UTC",
            "2:31 set a=it's",
            "2:47 set a.b=-1",
            &format!("2:60 insert {INSERT}"),
            "3:1 reset a",
            "3:11 reset table.exec.x",
            "3:30 reset ",
        ]
    );
    refused(&format!("SET;{INSERT}"), "line 1, column 1", "SET 'key' = 'value'");
    refused(&format!("SET 'a' = 'b' 'c';{INSERT}"), "line 1, column 1", "SET 'key' = 'value'");
    refused(&format!("{INSERT};RESET 'a' 'b'"), "line 1, column 24", "RESET 'key'");
}

#[test]
fn what_the_deployment_decides_cannot_be_set() {
    for (key, place) in [
        ("execution.checkpointing.dir", "flinkConfiguration"),
        ("state.checkpoints.dir", "flinkConfiguration"),
        ("execution.savepoint.path", "Drey sets it itself"),
        ("execution.state-recovery.path", "Drey sets it itself"),
        ("$internal.pipeline.job-id", "Drey sets it itself"),
        ("$internal.other", "Drey sets it itself"),
        ("execution.savepoint-restore-mode", "flinkConfiguration"),
        ("execution.target", "the cluster that Drey started"),
        ("parallelism.default", "spec.template.spec.parallelism"),
        ("pipeline.jars", "additionalDependencies"),
        ("high-availability.storageDir", "a setting of the cluster"),
    ] {
        refused(&format!("{INSERT};\n  SET '{key}' = 'x'"), "line 2, column 3", place);
    }
    let late = format!("USE CATALOG c; SET 'execution.runtime-mode' = 'batch'; {INSERT}");
    refused(&late, "line 1, column 16", "before the first other statement");
    assert_eq!(steps(&format!("SET 'pipeline.name' = 'x';{INSERT}")).len(), 2);
}

#[test]
fn a_script_makes_exactly_one_job() {
    refused("CREATE VIEW v AS SELECT 1;", "line 1, column 1", "needs an INSERT INTO");
    refused("-- nothing", "line 1, column 1", "needs an INSERT INTO");
    refused(
        "CREATE VIEW v AS SELECT 1;\nSELECT * FROM v",
        "line 2, column 1",
        "'connector' = 'print'",
    );
    refused("(SELECT 1)", "line 1, column 1", "INSERT INTO");
    refused("WITH q AS (SELECT 1) SELECT * FROM q", "line 1, column 1", "INSERT INTO");
    let table = "CREATE TABLE a WITH ('connector' = 'print') AS SELECT 1";
    assert_eq!(steps(table), [format!("1:1 job {table}")]);
    refused(&format!("{INSERT};{table}"), "line 1, column 24", "job of its own");
    refused(
        &format!("{table};CALL p()"),
        &format!("line 1, column {}", table.len() + 2),
        "job of its own",
    );
    for definition in [
        "CREATE TABLE a (x AS 1 + 1)",
        "CREATE FUNCTION f AS 'a.B'",
        "CREATE TEMPORARY VIEW v AS SELECT 1",
        "EXPLAIN SELECT 1",
        "EXECUTE IMMEDIATE nonsense",
    ] {
        assert_eq!(steps(&format!("{definition};{INSERT}"))[0], format!("1:1 run {definition}"));
    }
}

#[test]
fn what_has_no_place_in_a_script_is_refused_with_advice() {
    refused(&format!("ADD JAR '/a.jar';{INSERT}"), "line 1, column 1", "additionalDependencies");
    refused(&format!("{INSERT};\nquit"), "line 2, column 1", "SQL client");
    refused(&format!("BEGIN STATEMENT SET; {INSERT}"), "line 1, column 1", "not closed");
    refused(
        &format!("BEGIN STATEMENT SET; {INSERT} END;"),
        "line 1, column 1",
        "statement of its own",
    );
    refused(&format!("{INSERT};END"), "line 1, column 24", "none is open");
    refused(&format!("{INSERT};BEGIN STATEMENT SET;END"), "line 1, column 44", "no INSERT");
    let inside = format!("BEGIN STATEMENT SET;\n{INSERT};\nUSE x;\nEND");
    refused(&inside, "line 3, column 1", "begins at line 1, column 1");
    for (text, says) in
        [("INSERT 'a", "string"), ("INSERT `a", "quoted name"), ("INSERT /* a", "comment")]
    {
        refused(text, "line 1, column 8", says);
    }
}

#[test]
fn a_key_that_flink_would_not_find_is_refused() {
    for (key, says) in [
        ("'State.Checkpoints.Dir'", "this one is 'state.checkpoints.dir'"),
        ("`execution.runtime-mode`", "single quotes"),
        ("'Execution.Runtime-Mode'", "this one is 'execution.runtime-mode'"),
        ("'a b'", "no key of Flink"),
        ("''", "empty"),
    ] {
        refused(&format!("SET {key} = 'x';\n{INSERT}"), "line 1, column 1", says);
    }
    refused(&format!("RESET `a`;\n{INSERT}"), "line 1, column 1", "no key of Flink");
    // Others have capital letters, and what is not Flink's may look as it likes.
    for key in ["taskmanager.numberOfTaskSlots", "pipeline.my-Own_key", "execution.buffer-timeout"]
    {
        assert_eq!(setting::misspelled(key), None, "{key}");
    }
}

#[test]
fn a_character_that_flink_cannot_read_is_refused_where_it_stands() {
    refused(&format!("-- \0\n{INSERT}"), "line 1, column 4", "U+0000");
    refused(&format!("{INSERT};\r\nSELECT 'é\0'"), "line 2, column 10", "U+0000");
}

#[test]
fn all_problems_are_told_at_once_and_in_order() {
    let problems = problems("SELECT 1;\nADD JAR 'x';\nSET a;\nBEGIN STATEMENT SET;");
    let places: Vec<_> = problems.iter().filter_map(|text| text.split(',').next()).collect();
    assert_eq!(places, ["line 1", "line 2", "line 3", "line 4"], "{problems:#?}");
}

#[test]
fn a_script_full_of_mistakes_gets_an_answer_of_bounded_length() {
    let problems = problems(&"SELECT 1;\n".repeat(50_000));
    assert_eq!(problems.len(), PROBLEMS_MAX);
    assert!(problems[PROBLEMS_MAX - 1].starts_with("line 20, column 1"), "{problems:#?}");
}

#[test]
fn the_driver_gets_letters_places_and_texts() {
    let script = Script::parse("SET 'k' = 'é';\n INSERT INTO a").unwrap();
    let mut expected = vec![0, 0, 0, 2];
    expected.extend(*b"S\0\0\0\x01\0\0\0\x01\0\0\0\x01k\0\0\0\x02");
    expected.extend("é".as_bytes());
    expected.extend(*b"I\0\0\0\x02\0\0\0\x02\0\0\0\x0dINSERT INTO a\0\0\0\0");
    assert_eq!(script.encode(), expected);
}

/// The byte at a place, counted anew from the text alone.
fn byte_at(text: &str, place: Place) -> usize {
    let (mut line, mut column) = (1, 1);
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if (line, column) == (place.line, place.column) {
            return at;
        }
        let is_end = c == '\n' || (c == '\r' && chars.peek().is_none_or(|(_, next)| *next != '\n'));
        (line, column) = if is_end { (line + 1, 1) } else { (line, column + 1) };
    }
    text.len()
}

proptest! {
    #[test]
    fn every_step_stands_where_its_place_says(text in "(INSERT|SET 'a'='b'|BEGIN STATEMENT SET|END|x|é|[;'`\"\\-/*+() \\n\\r\\\\]){0,40}") {
        if let Ok(script) = Script::parse(&text) {
            for Step { at, action } in script.steps {
                if let Action::Run(sql) | Action::Insert(sql) | Action::Job(sql) = action {
                    prop_assert!(text[byte_at(&text, at)..].starts_with(&sql), "{at} in {text:?}");
                }
            }
        }
    }
}
