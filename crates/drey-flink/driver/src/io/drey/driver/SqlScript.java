package io.drey.driver;

import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.api.common.RuntimeExecutionMode;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExecutionOptions;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.ResultKind;
import org.apache.flink.table.api.StatementSet;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;

/**
 * Runs the SQL script that lies in this jar: definitions one after the other, then all INSERTs as one job.
 *
 * <p>Drey has split the script and checked that it makes exactly one job. The only argument is the name of that job,
 * for scripts that give it none.
 */
public final class SqlScript {
    private static final String RESOURCE = "/drey/script";
    private static final Pattern SETTING = Pattern.compile("for key '([^']+)'");

    private final TableEnvironment tables;
    private final String name;
    /** What the script has set, and where. */
    private final Map<String, Step> set = new HashMap<>();
    private final List<Insert> inserts = new ArrayList<>();
    /** All INSERTs: each means the tables, views and the database of its place in the script. */
    private final StatementSet all;

    private SqlScript(TableEnvironment tables, String name) {
        this.tables = tables;
        this.name = name;
        this.all = tables.createStatementSet();
    }

    public static void main(String[] args) throws IOException {
        List<Step> steps;
        try (InputStream in = SqlScript.class.getResourceAsStream(RESOURCE)) {
            if (in == null) {
                throw new IOException("the program holds no " + RESOURCE);
            }
            steps = Step.readAll(in);
        }
        new SqlScript(environment(steps), args.length > 0 ? args[0] : "").run(steps);
    }

    /** Settings that are read only once come first; the runtime mode may also come from the cluster. */
    private static TableEnvironment environment(List<Step> steps) {
        Configuration early = new Configuration();
        ReadableConfig cluster = StreamExecutionEnvironment.getExecutionEnvironment().getConfiguration();
        cluster.getOptional(ExecutionOptions.RUNTIME_MODE)
                // Flink's tables know no mode that depends on the sources.
                .filter(mode -> mode != RuntimeExecutionMode.AUTOMATIC)
                .ifPresent(mode -> early.set(ExecutionOptions.RUNTIME_MODE, mode));
        Step last = null;
        try {
            for (Step step : steps) {
                if (step.action == 'C') {
                    last = step;
                    early.setString(step.first, step.second);
                }
            }
            return TableEnvironment.create(
                    EnvironmentSettings.newInstance().withConfiguration(early).build());
        } catch (Exception e) {
            throw last == null ? new ScriptError("creating the table environment", e) : new ScriptError(last, e);
        }
    }

    private void run(List<Step> steps) {
        for (Step step : steps) {
            try {
                take(step);
            } catch (Exception | LinkageError e) {
                throw failure(step, e);
            }
        }
        if (!inserts.isEmpty()) {
            insert();
        }
    }

    private void take(Step step) {
        switch (step.action) {
            case 'C':
                break;
            case 'S':
                set.put(step.first, step);
                tables.getConfig().set(step.first, step.second);
                break;
            case 'R':
                reset(step.first);
                break;
            case 'X':
                run(step.sql());
                break;
            case 'J':
                giveName();
                tables.executeSql(step.sql());
                break;
            case 'I':
                all.addInsertSql(step.sql());
                inserts.add(new Insert(step, tables.createStatementSet().addInsertSql(step.sql())));
                break;
            default:
                throw new IllegalStateException("unknown step " + step.action);
        }
    }

    private void run(String sql) {
        TableResult result = tables.executeSql(sql);
        if (result.getResultKind() == ResultKind.SUCCESS_WITH_CONTENT) {
            // Such as EXPLAIN: for the process's output.
            result.print();
        }
    }

    private void reset(String key) {
        Set<String> keys = key.isEmpty() ? Set.copyOf(set.keySet()) : Set.of(key);
        for (String each : keys) {
            set.remove(each);
            tables.getConfig().getConfiguration().removeKey(each);
        }
    }

    private void giveName() {
        boolean isNamed = tables.getConfig().getOptional(PipelineOptions.NAME).isPresent();
        if (!isNamed && !name.isEmpty()) {
            tables.getConfig().set(PipelineOptions.NAME.key(), name);
        }
    }

    private void insert() {
        giveName();
        try {
            all.execute();
        } catch (Exception | LinkageError e) {
            throw failure(culprit(), e);
        }
    }

    /** Flink reads most settings late; a bad one is its author's mistake where it was set. */
    private ScriptError failure(Step step, Throwable cause) {
        for (Throwable e = cause; e != null; e = e.getCause()) {
            Matcher key = SETTING.matcher(String.valueOf(e.getMessage()));
            if (key.find() && set.containsKey(key.group(1))) {
                return new ScriptError(set.get(key.group(1)), cause);
            }
        }
        return new ScriptError(step, cause);
    }

    /** The INSERT that cannot be planned by itself either, or else the first one. */
    private Step culprit() {
        for (Insert insert : inserts) {
            try {
                insert.alone.explain();
            } catch (Exception | LinkageError e) {
                return insert.step;
            }
        }
        return inserts.get(0).step;
    }

    /** An INSERT, and the same by itself. */
    private static final class Insert {
        final Step step;
        final StatementSet alone;

        Insert(Step step, StatementSet alone) {
            this.step = step;
            this.alone = alone;
        }
    }
}
