package io.drey.driver;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** One statement of a script, as Drey wrote it: what to do, where it stands, and its text. */
final class Step {
    final char action;
    final int line;
    final int column;
    final String first;
    final String second;

    private Step(char action, int line, int column, String first, String second) {
        this.action = action;
        this.line = line;
        this.column = column;
        this.first = first;
        this.second = second;
    }

    static List<Step> readAll(InputStream stream) throws IOException {
        DataInputStream in = new DataInputStream(stream);
        int count = in.readInt();
        List<Step> steps = new ArrayList<>();
        for (int n = 0; n < count; n++) {
            char action = (char) in.readUnsignedByte();
            int line = in.readInt();
            int column = in.readInt();
            steps.add(new Step(action, line, column, text(in), text(in)));
        }
        return steps;
    }

    private static String text(DataInputStream in) throws IOException {
        byte[] bytes = new byte[in.readInt()];
        in.readFully(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    /**
     * The statement at its place: with as many lines and columns before it as in the script, so that every position
     * in Flink's messages is a position in the script.
     */
    String sql() {
        return "\n".repeat(line - 1) + " ".repeat(column - 1) + first;
    }
}
