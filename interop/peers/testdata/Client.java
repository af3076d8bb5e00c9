// Makes COUNT connections to 127.0.0.1:PORT with one SSLContext, which resumes automatically.
// usage: java Client.java PORT CAFILE COUNT
import java.io.*;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.*;

class Client {
    public static void main(String[] args) throws Exception {
        int port = Integer.parseInt(args[0]);
        KeyStore roots = KeyStore.getInstance(KeyStore.getDefaultType());
        roots.load(null, null);
        try (InputStream in = new FileInputStream(args[1])) {
            roots.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(roots);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        for (int i = 0; i < Integer.parseInt(args[2]); i++) {
            visit(context.getSocketFactory(), port);
        }
    }

    // A resumed session keeps the time at which it was made.
    static long now() {
        long before = System.currentTimeMillis(), t = before;
        while (t == before) {
            t = System.currentTimeMillis();
        }
        return t;
    }

    static void visit(SSLSocketFactory factory, int port) throws Exception {
        long start = now();
        try (SSLSocket s = (SSLSocket) factory.createSocket(new Socket("127.0.0.1", port), "localhost", port, true)) {
            s.setSoTimeout(20000);
            SSLParameters p = s.getSSLParameters();
            p.setEndpointIdentificationAlgorithm("HTTPS");
            s.setSSLParameters(p);
            s.getOutputStream().write("GET / HTTP/1.0\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            BufferedReader in = new BufferedReader(new InputStreamReader(s.getInputStream(), StandardCharsets.US_ASCII));
            for (String line = in.readLine(); line != null && !line.startsWith("resumed="); ) {
                line = in.readLine();
            }
            SSLSession session = s.getSession();
            System.out.println("resumed=" + (session.getCreationTime() < start) + " " + session.getProtocol());
        } // it may be the first to close: with user_canceled before close_notify
    }
}
