package io.drey.driver;

import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Runs a Python program with Flink's own driver, and says what the program said when it fails.
 *
 * <p>Arguments: {@code script} and a file, or {@code module} and a name; then those of the program, each behind an equals
 * sign. Flink looks for the options of its driver among the arguments of any program, also behind {@code --}, and would
 * then start its driver instead of this one.
 */
public final class PythonProgram {
    private static final String DRIVER = "org.apache.flink.client.python.PythonDriver";

    private PythonProgram() {}

    public static void main(String[] args) throws Exception {
        List<String> words = new ArrayList<>();
        words.add(args[0].equals("module") ? "-pym" : "-py");
        words.add(args[1]);
        if (args.length > 2) {
            words.add("--");
            for (String word : Arrays.asList(args).subList(2, args.length)) {
                words.add(word.substring(1));
            }
        }
        PrintStream out = System.out;
        Traceback traceback = new Traceback(out);
        System.setOut(traceback);
        try {
            Class.forName(DRIVER, true, PythonProgram.class.getClassLoader())
                    .getMethod("main", String[].class)
                    .invoke(null, (Object) words.toArray(new String[0]));
        } catch (InvocationTargetException e) {
            throw new PythonError(e.getCause(), traceback.lines());
        } finally {
            // In a session another program may have put its own in front meanwhile.
            if (System.out == traceback) {
                System.setOut(out);
            }
        }
    }

    /** Passes output on, and keeps the last lines that this thread printed: Flink's driver prints the program's. */
    private static final class Traceback extends PrintStream {
        private static final int LINES_MAX = 200;
        private final PrintStream out;
        private final Thread thread = Thread.currentThread();
        private final List<String> lines = new ArrayList<>();

        Traceback(PrintStream out) {
            super(OutputStream.nullOutputStream());
            this.out = out;
        }

        List<String> lines() {
            return lines;
        }

        @Override
        public void println(String line) {
            out.println(line);
            if (Thread.currentThread() == thread) {
                lines.add(String.valueOf(line));
                if (lines.size() > LINES_MAX) {
                    lines.remove(0);
                }
            }
        }

        @Override
        public void write(int b) {
            out.write(b);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) {
            out.write(bytes, offset, length);
        }

        @Override
        public void flush() {
            out.flush();
        }
    }
}
