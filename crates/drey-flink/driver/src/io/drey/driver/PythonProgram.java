package io.drey.driver;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.apache.flink.api.python.shaded.py4j.GatewayServer;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.util.ExceptionUtils;
import org.apache.flink.util.FileUtils;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs a Python program as a process that calls back into this one, and says what it said when it fails.
 *
 * <p>Flink has a driver for that, and its parts are used here. The driver itself would not do on a cluster that jobs
 * share, because calls of its programs may take another submission's job id and snapshot ({@link ContextGateway}).
 *
 * <p>Arguments: {@code script} and a file, or {@code module} and a name; then those of the program, each behind an equals
 * sign. Flink looks for the options of its driver among the arguments of any program, also behind {@code --}, and would
 * then start its driver instead of this one.
 */
public final class PythonProgram {
    private static final Logger LOG = LoggerFactory.getLogger(PythonProgram.class);
    private static final String UTILS = "org.apache.flink.client.python.PythonEnvUtils";
    private static final int LINES_MAX = 200;

    /** Flink's class of that name, which only its own package may use. */
    private final Class<?> utils;
    /** What the program printed last. */
    private final List<String> lines = new ArrayList<>();

    private PythonProgram(Class<?> utils) {
        this.utils = utils;
    }

    public static void main(String[] args) throws Exception {
        // Without an interpreter: Flink puts it in front.
        List<String> command = new ArrayList<>(List.of("-u"));
        boolean isModule = args[0].equals("module");
        if (isModule) {
            command.add("-m");
        }
        command.add(args[1]);
        for (String word : List.of(args).subList(2, args.length)) {
            command.add(word.substring(1));
        }
        Class<?> utils = Class.forName(UTILS, true, PythonProgram.class.getClassLoader());
        // The gateway and the exception of a program are static fields there. Each submission has a copy of that class
        // in its jar, unless the cluster has one in its lib/; then programs have to run one after the other.
        synchronized (utils) {
            new PythonProgram(utils).run(command, isModule ? null : args[1]);
        }
    }

    private void run(List<String> command, String script) throws Exception {
        ReadableConfig config = StreamExecutionEnvironment.getExecutionEnvironment().getConfiguration();
        Path folder = Path.of(System.getProperty("java.io.tmpdir"), "pyflink", UUID.randomUUID().toString());
        Field exception = utils.getDeclaredField("capturedJavaException");
        exception.setAccessible(true);
        exception.set(null, null);
        GatewayServer gateway = ContextGateway.begin();
        try {
            // For functions in Python that SQL statements of the program name.
            method("setGatewayServer", GatewayServer.class).invoke(null, gateway);
            int code = execute(launch(gateway, config, command, script, folder), folder);
            // How a job ended that the program waited for; Flink has to see it as it is.
            Throwable ended = (Throwable) exception.get(null);
            if (code != 0 && ended != null) {
                ExceptionUtils.rethrowException(ended);
            }
            if (code != 0) {
                throw new PythonError(new IllegalStateException("Python process exits with code: " + code), lines);
            }
        } catch (InvocationTargetException e) {
            throw new PythonError(e.getCause(), lines);
        } finally {
            method("setGatewayServer", GatewayServer.class).invoke(null, (Object) null);
            gateway.shutdown();
            FileUtils.deleteDirectoryQuietly(folder.toFile());
        }
    }

    private Process launch(
            GatewayServer gateway, ReadableConfig config, List<String> command, String script, Path folder)
            throws ReflectiveOperationException {
        Class<?>[] parameters = {
            GatewayServer.class, ReadableConfig.class, List.class, String.class, String.class, boolean.class
        };
        Method launch = method("launchPy4jPythonClient", parameters);
        return (Process) launch.invoke(null, gateway, config, command, script, folder.toString(), true);
    }

    private Method method(String name, Class<?>... parameters) throws ReflectiveOperationException {
        Method method = utils.getDeclaredMethod(name, parameters);
        method.setAccessible(true);
        return method;
    }

    /** Passes on what the program prints, until it ends. If this JVM ends before, so does the program. */
    private int execute(Process python, Path folder) throws IOException, InterruptedException {
        Thread end = new Thread(() -> {
            python.destroyForcibly();
            FileUtils.deleteDirectoryQuietly(folder.toFile());
        });
        Runtime.getRuntime().addShutdownHook(end);
        try (BufferedReader output =
                new BufferedReader(new InputStreamReader(python.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line = output.readLine(); line != null; line = output.readLine()) {
                System.out.println(line);
                LOG.info(line);
                lines.add(line);
                if (lines.size() > LINES_MAX) {
                    lines.remove(0);
                }
            }
            return python.waitFor();
        } finally {
            python.destroyForcibly();
            try {
                Runtime.getRuntime().removeShutdownHook(end);
            } catch (IllegalStateException e) {
                LOG.debug("The JVM is ending already", e);
            }
        }
    }
}
