package io.drey.driver;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What is wrong with a script, in one paragraph that begins with its line and column.
 *
 * <p>Drey shows users the innermost cause of a failure. So this one has no cause: it says what the outermost and the
 * innermost exception say, and the log has them all.
 */
final class ScriptError extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private static final Logger LOG = LoggerFactory.getLogger(ScriptError.class);
    private static final int CHARS_MAX = 560;
    private static final Pattern PLACE = Pattern.compile("[Ll]ine (\\d+), column (\\d+)");
    private static final Pattern EXPECTED = Pattern.compile("(?s)Was expecting( one of)?:(.*)");
    private static final int EXPECTED_MAX = 8;

    ScriptError(Step step, Throwable cause) {
        this("line " + step.line + ", column " + step.column, cause);
    }

    ScriptError(String where, Throwable cause) {
        super(describe(where, cause));
        LOG.error("The SQL script failed, {}", where, cause);
    }

    /** As it stands in a stack trace: the text alone, not the name of this class. */
    @Override
    public String toString() {
        return getMessage();
    }

    private static String describe(String where, Throwable cause) {
        Throwable inner = cause;
        while (inner.getCause() != null && inner.getCause() != inner) {
            inner = inner.getCause();
        }
        String text = text(cause);
        String reason = text(inner);
        if (!text.contains(reason)) {
            text = text.replaceAll("[.:]+$", "") + ": " + reason;
        }
        Matcher place = PLACE.matcher(text);
        String at = place.find() ? "line " + place.group(1) + ", column " + place.group(2) : where;
        text = at + " of the SQL script: " + text;
        return text.length() > CHARS_MAX ? text.substring(0, CHARS_MAX) + "…" : text;
    }

    /** A message as one line. Of what a parser would have taken instead, a few examples are enough. */
    private static String text(Throwable e) {
        String message = e.getMessage() == null ? "" : e.getMessage();
        Matcher expected = EXPECTED.matcher(message);
        if (expected.find()) {
            String[] words = expected.group(2).replace("...", "").trim().split("\\s*\\R\\s*");
            StringBuilder few = new StringBuilder(message.substring(0, expected.start()).trim());
            few.append(" Expected ").append(words.length > 1 ? "for example " : "");
            for (int n = 0; n < Math.min(words.length, EXPECTED_MAX); n++) {
                few.append(n > 0 ? ", " : "").append(words[n].trim());
            }
            message = few.toString();
        }
        String line = message.replaceAll("\\s+", " ").trim();
        // Flink says some things twice.
        line = line.replaceFirst("^(.{8,40}?\\. )\\1", "$1");
        boolean saysNothing = line.isEmpty() || e instanceof LinkageError || e instanceof NullPointerException;
        return saysNothing ? (e.getClass().getName() + " " + line).trim() : line;
    }
}
