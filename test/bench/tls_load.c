/* New TLS connections, one after another, from one thread: handshake, one request
 * with Connection: close, the whole answer.  Full handshakes, or resumed ones with
 * the ticket of the last connection (no load generator of Debian's resumes).
 *
 * Usage: tls_load PORT SECONDS PATH full|resumed       prints: ANSWERED RESUMED */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static SSL_SESSION *ticket;

static void die(const char *what)
{
	perror(what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION_free(ticket);
	ticket = session;
	return 1;
}

static int dial(int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* One connection.  Returns whether its session was resumed. */
static bool ask(SSL_CTX *ctx, int port, const char *request)
{
	char in[16384];
	bool resumed, answered = false;
	SSL *ssl = SSL_new(ctx);
	int fd = dial(port), n;

	SSL_set_fd(ssl, fd);
	SSL_set_tlsext_host_name(ssl, "localhost");
	if (ticket)
		SSL_set_session(ssl, ticket);
	if (SSL_connect(ssl) != 1)
		die("handshake");
	if (SSL_write(ssl, request, (int)strlen(request)) <= 0)
		die("write");
	while ((n = SSL_read(ssl, in, sizeof(in))) > 0)
		answered |= n > 12 && memcmp(in, "HTTP/1.1 200", 12) == 0;
	if (!answered)
		die("no answer 200");
	resumed = SSL_session_reused(ssl);
	SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
	return resumed;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	unsigned long answered = 0, resumed = 0;
	char request[512];
	double end;

	if (argc < 5 || !ctx) {
		fprintf(stderr, "usage: tls_load PORT SECONDS PATH full|resumed\n");
		return 2;
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	if (strcmp(argv[4], "resumed") == 0) {
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
							    SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(ctx, keep_ticket);
	}
	snprintf(request, sizeof(request),
		 "GET %s HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\n\r\n", argv[3],
		 argv[1]);
	end = now() + atof(argv[2]);
	while (now() < end) {
		resumed += ask(ctx, atoi(argv[1]), request);
		answered++;
	}
	printf("%lu %lu\n", answered, resumed);
	return 0;
}
