// Answers every request, on a port that it chooses, with a description of the connection.
// usage: java Server.java VERSION CERT KEY, e.g. java Server.java 1.3 cert.pem key.pem
// Sessions stay here with -Djdk.tls.server.enableSessionTicketExtension=false.
import java.io.*;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import javax.net.ssl.*;

class Server {
    public static void main(String[] args) throws Exception {
        java.security.cert.Certificate cert;
        try (InputStream in = new FileInputStream(args[1])) {
            cert = CertificateFactory.getInstance("X.509").generateCertificate(in);
        }
        String pem = Files.readString(Path.of(args[2])).replaceAll("-----[A-Z ]*-----|\\s", "");
        PrivateKey key = KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        store.setKeyEntry("server", key, new char[0], new java.security.cert.Certificate[] {cert});
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, new char[0]);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        SSLServerSocket l = (SSLServerSocket) context.getServerSocketFactory().createServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
        l.setEnabledProtocols(new String[] {"TLSv" + args[0]});
        System.out.println("ACCEPT 127.0.0.1:" + l.getLocalPort());
        while (true) {
            long start = now();
            try (SSLSocket s = (SSLSocket) l.accept()) {
                s.setSoTimeout(20000);
                answer(s, start);
            } catch (IOException e) {
                System.out.println(e);
            } // which sends user_canceled before close_notify
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

    static void answer(SSLSocket s, long start) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(s.getInputStream(), StandardCharsets.US_ASCII));
        for (String line = in.readLine(); line != null && !line.isEmpty(); ) {
            line = in.readLine();
        }
        SSLSession session = s.getSession();
        String body = "resumed=" + (session.getCreationTime() < start) + " " + session.getProtocol() + "\n";
        s.getOutputStream().write(("HTTP/1.0 200 OK\r\nContent-Length: " + body.length() + "\r\n\r\n" + body).getBytes(StandardCharsets.US_ASCII));
    }
}
