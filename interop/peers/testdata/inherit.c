/*
 * gnutls-serv listens on every address and has no option for others. If this is preloaded,
 * it uses the listening socket 3 instead, which is bound to loopback.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    (void)len;
    if (addr->sa_family != AF_INET) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    return dup2(3, fd) < 0 ? -1 : 0;
}
