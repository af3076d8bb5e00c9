#include "contender.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static void no_delay(int fd)
{
    int on = 1; /* as Go does */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

int listen_on_loopback(char *addr, size_t size)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&in, len) != 0 || listen(fd, 4096) != 0
        || getsockname(fd, (struct sockaddr *)&in, &len) != 0)
        die("listen");
    snprintf(addr, size, "127.0.0.1:%d", ntohs(in.sin_port));
    return fd;
}

int connect_to(const char *addr)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const char *port = strchr(addr, ':');
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (port == NULL)
        die("no port in -addr");
    in.sin_port = htons(atoi(port + 1));
    if (fd < 0 || connect(fd, (struct sockaddr *)&in, sizeof(in)) != 0)
        die("connect");
    no_delay(fd);
    return fd;
}

int accept_on(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        die("accept");
    no_delay(fd);
    return fd;
}
