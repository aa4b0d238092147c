package io.drey.driver;

import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Why a Python program failed, in one paragraph: what it raised, and where. */
final class PythonError extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private static final int CHARS_MAX = 560;
    private static final Pattern FRAME = Pattern.compile("  File \"(.+)\", line (\\d+).*");
    private static final String CAUSED_BY = "Caused by: ";

    PythonError(Throwable cause, List<String> output) {
        super(describe(cause, output));
        // Its log lines are the program's output, which Flink has logged already.
        setStackTrace(cause.getStackTrace());
    }

    /** As it stands in a stack trace: the text alone, not the name of this class. */
    @Override
    public String toString() {
        return getMessage();
    }

    private static String describe(Throwable cause, List<String> output) {
        String place = "";
        String raised = "";
        String javaCause = "";
        boolean isTraceback = false;
        for (String line : output) {
            Matcher frame = FRAME.matcher(line);
            if (line.startsWith("Traceback (most recent call last)")) {
                isTraceback = true;
                place = "";
                raised = "";
                javaCause = "";
            } else if (frame.matches()) {
                String file = frame.group(1);
                boolean isLibrary = file.contains("site-packages") || file.startsWith("<");
                // The innermost frame that is not a library's is where the author can do something.
                if (!isLibrary && !file.contains("/lib/python")) {
                    place = file.substring(file.lastIndexOf('/') + 1) + ", line " + frame.group(2) + ": ";
                }
            } else if (isTraceback && line.startsWith(CAUSED_BY)) {
                javaCause = line.substring(CAUSED_BY.length());
            } else if (isTraceback && !raised.isEmpty() && line.startsWith(": ")) {
                // What Flink threw into the program.
                javaCause = line.substring(2);
            } else if (isTraceback && raised.isEmpty() && !line.isEmpty() && !Character.isWhitespace(line.charAt(0))) {
                raised = line;
            } else if (!isTraceback && !line.isBlank()) {
                // Without a traceback the last words have to do, such as "No module named 'pyflink'".
                raised = line;
            }
        }
        Throwable inner = cause;
        while (inner.getCause() != null && inner.getCause() != inner) {
            inner = inner.getCause();
        }
        String ending = inner.getMessage() == null ? inner.toString() : inner.getMessage();
        String why = javaCause.isEmpty() ? raised : javaCause;
        String text = why.isEmpty() ? "the Python program failed: " + ending : place + why + " (" + ending + ")";
        return text.length() > CHARS_MAX ? text.substring(0, CHARS_MAX) + "…" : text;
    }
}
