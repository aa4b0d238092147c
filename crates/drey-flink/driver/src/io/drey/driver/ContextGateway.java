package io.drey.driver;

import java.io.IOException;
import java.lang.reflect.Field;
import java.net.Socket;
import java.util.concurrent.ConcurrentHashMap;
import javax.net.ServerSocketFactory;
import org.apache.flink.api.python.shaded.py4j.CallbackClient;
import org.apache.flink.api.python.shaded.py4j.Gateway;
import org.apache.flink.api.python.shaded.py4j.GatewayConnection;
import org.apache.flink.api.python.shaded.py4j.GatewayServer;
import org.apache.flink.api.python.shaded.py4j.Py4JServerConnection;
import org.apache.flink.runtime.util.EnvironmentInformation;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironmentFactory;

/**
 * The server through which a Python program calls Java, always in the context of the submission that began it.
 *
 * <p>The context is what makes an execution environment with the submission's job id, snapshot and configuration. Flink
 * gives it to the thread that runs {@code main}, and for all other threads it has one static field, which belongs to
 * whoever submitted last, or to nobody. Calls from Python come in threads of their own, one for each connection. So these
 * threads are given the context before their first call.
 */
final class ContextGateway extends GatewayServer {
    private static final String CONTEXTS = "threadLocalContextEnvironmentFactory";

    private final ThreadLocal<StreamExecutionEnvironmentFactory> contexts;
    private final StreamExecutionEnvironmentFactory context;

    private ContextGateway(ThreadLocal<StreamExecutionEnvironmentFactory> contexts) {
        // As Flink's own driver makes it. The program names the true port of its callbacks when it connects.
        super(
                new Gateway(new ConcurrentHashMap<String, Object>(), new CallbackClient(0)),
                0,
                defaultAddress(),
                DEFAULT_CONNECT_TIMEOUT,
                DEFAULT_READ_TIMEOUT,
                null,
                ServerSocketFactory.getDefault());
        this.contexts = contexts;
        this.context = contexts.get();
    }

    /** Listens on a free port of this machine, for calls in the context of the current thread. */
    static ContextGateway begin() throws IOException, InterruptedException {
        ContextGateway gateway = new ContextGateway(contexts());
        if (gateway.context == null) {
            throw new IllegalStateException("Flink has begun no submission in the thread of the program");
        }
        // Its threads must not keep the JVM alive, and they are what the thread that starts them is.
        Thread start = new Thread(gateway::start, "drey-python-gateway");
        start.setDaemon(true);
        start.start();
        start.join();
        if (gateway.getListeningPort() < 0) {
            throw new IOException("the program cannot be given a port to call Flink at; the log has the reason");
        }
        return gateway;
    }

    @SuppressWarnings("unchecked")
    private static ThreadLocal<StreamExecutionEnvironmentFactory> contexts() {
        try {
            Field field = StreamExecutionEnvironment.class.getDeclaredField(CONTEXTS);
            field.setAccessible(true);
            return (ThreadLocal<StreamExecutionEnvironmentFactory>) field.get(null);
        } catch (ReflectiveOperationException | ClassCastException e) {
            // Without a cause, since users are shown the innermost one.
            throw new UnsupportedOperationException("Flink " + EnvironmentInformation.getVersion()
                    + " does not say which submission a thread belongs to, so a Python program could take another's job"
                    + " id (" + e + "): use another version of Flink");
        }
    }

    @Override
    protected Py4JServerConnection createConnection(Gateway gateway, Socket socket) throws IOException {
        GatewayConnection connection =
                new GatewayConnection(gateway, socket, authToken, getCustomCommands(), getListeners()) {
                    @Override
                    public void run() {
                        contexts.set(context);
                        super.run();
                    }
                };
        connection.startConnection();
        return connection;
    }
}
