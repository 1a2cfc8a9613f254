"""The servers of the bench: how each is configured and started.

All alike: one worker of one thread (but for the growth of loops), access log off,
keep-alive without limit, nothing but loopback, files in the bench's own directory.
Peers come from Debian's packages and are started by the bench only, never as
services.  The small answer is a fixed text where the peer can be told one (nginx,
HAProxy, Caddy), else a file of 13 bytes (h2o, lighttpd, Apache).
"""
import os
import re
import shutil
import subprocess

from measure import Failed, Running, free_port, program

TEXT = "Hello, world\n"
MANY = 16000  # connections that each server must be able to hold


class Place:
    """The bench's directory: static files, certificate, a folder for each server."""

    def __init__(self, root):
        self.root = root
        self.static = os.path.join(root, "www")
        self.count = 0
        os.chmod(root, 0o755)
        os.makedirs(os.path.join(self.static, "static"), exist_ok=True)
        for name, size in (("1k", 1024), ("64k", 65536), ("10m", 10 << 20)):
            self.write(os.path.join(self.static, "static", name), "x" * size)
        for name in ("hello", "hello.txt"):
            self.write(os.path.join(self.static, name), TEXT)
        self.cert = os.path.join(root, "cert.pem")
        self.key = os.path.join(root, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key, "-out",
                        self.cert, "-days", "30", "-subj", "/CN=localhost"],
                       check=True, capture_output=True)
        with open(self.cert) as c, open(self.key) as k:
            self.write(os.path.join(root, "both.pem"), c.read() + k.read())
        os.chmod(self.key, 0o644)

    @staticmethod
    def write(path, text):
        with open(path, "w") as f:
            f.write(text)

    def folder(self, name):
        self.count += 1
        path = os.path.join(self.root, "%s-%d" % (name, self.count))
        os.makedirs(path)
        os.chmod(path, 0o777)
        return path


def need(command):
    path = shutil.which(command) or shutil.which(command, path="/usr/sbin:/sbin")
    if not path:
        raise Failed("%s is not installed (tools/install-deps --bench)" % command)
    return path


# Each maker takes the place and options and returns a Running.  Options that they
# know: tls (bool), log (bool), generation (the text of the small answer).

def floor(place, port=None, body=len(TEXT), closes=False, **_):
    port = port or free_port()
    d = place.folder("floor")
    argv = [program("floor"), port, body] + (["close"] if closes else [])
    return Running(argv, port, d + "/log")


def molt(place, tls=False, log=False, loops=1, routes=1000, cpu=None, bake=None, **_):
    port = free_port()
    d = place.folder("molt")
    lines = ["server:", '  loops: %d' % loops, "  dumpRouterMap: false",
             "  maxConnections: %d" % MANY, "  clientMaxBodySize: 64m"]
    key = "httpsAddr" if tls else "address"
    lines.append('  %s: "127.0.0.1:%d"' % (key, port))
    if tls:
        lines += ["  httpsCertPath: " + place.cert, "  httpsKeyPath: " + place.key]
    if bake is not None:
        lines.append("  bakeTime: %d" % bake)
    if log:
        lines += ["  accessLogEnabled: true", "  logStdout: false", "  logPath: " + d]
    place.write(d + "/config.yaml", "\n".join(lines) + "\n")
    more = {} if cpu is None else {"cpu": cpu}
    return Running([program("bench_app"), d + "/config.yaml", place.static + "/static", routes],
                   port, d + "/log", **more)


def nginx_config(place, d, port, tls, log, text):
    listen = "127.0.0.1:%d%s backlog=4096" % (port, " ssl" if tls else "")
    paths = "".join("%s_temp_path %s/%s;\n" % (k, d, k) for k in
                    ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return """daemon off; user root; worker_processes 1; worker_rlimit_nofile 20000;
pid %(d)s/pid; error_log %(d)s/error;
events { worker_connections %(many)d; }
http {
%(paths)s
access_log %(log)s;
keepalive_requests 1000000000; keepalive_timeout 75s;
sendfile on; tcp_nopush on; client_max_body_size 64m; client_body_buffer_size 64k;
default_type text/plain;
ssl_certificate %(cert)s; ssl_certificate_key %(key)s;
ssl_protocols TLSv1.3; ssl_session_cache shared:s:10m;
server { listen %(listen)s;
  location / { return 200 "%(text)s"; }
  location /static/ { root %(static)s; }
} }
""" % {"d": d, "many": MANY, "paths": paths, "cert": place.cert, "key": place.key,
       "log": d + "/access buffer=64k" if log == "buffered" else d + "/access" if log else "off",
       "listen": listen, "text": text.replace("\n", "\\n"), "static": place.static}


def nginx(place, tls=False, log=False, text=TEXT, **_):
    port = free_port()
    d = place.folder("nginx")
    server_config = d + "/nginx.conf"
    place.write(server_config, nginx_config(place, d, port, tls, log, text))
    running = Running([need("nginx"), "-c", server_config, "-e", d + "/error"], port, d + "/log")
    running.rewrite = lambda new: place.write(
        server_config, nginx_config(place, d, port, tls, log, new))
    return running


def haproxy_config(place, port, tls, text):
    return """global
  nbthread 1
  maxconn %d
defaults
  mode http
  timeout client 75s
  timeout connect 5s
  timeout server 75s
  timeout http-keep-alive 75s
  maxconn %d
frontend f
  bind 127.0.0.1:%d backlog 4096%s
  http-request return status 200 content-type text/plain string "%s"
""" % (MANY // 2, MANY // 2, port,
       " ssl crt %s/both.pem ssl-min-ver TLSv1.3" % place.root if tls else "",
       text.replace("\n", "\\n"))


def haproxy(place, tls=False, text=TEXT, **_):
    port = free_port()
    d = place.folder("haproxy")
    config = d + "/haproxy.cfg"
    place.write(config, haproxy_config(place, port, tls, text))
    running = Running([need("haproxy"), "-W", "-db", "-f", config], port, d + "/log")
    running.rewrite = lambda new: place.write(config, haproxy_config(place, port, tls, new))
    return running


def h2o_config(place, d, port, tls):
    ssl = ("      ssl:\n        certificate-file: %s\n        key-file: %s\n" % (place.cert, place.key)
           if tls else "")
    return """num-threads: 1
max-connections: %d
user: root
pid-file: %s/pid
error-log: %s/error
http1-request-timeout: 75
hosts:
  default:
    listen:
      host: 127.0.0.1
      port: %d
%s    paths:
      /:
        file.dir: %s
""" % (MANY, d, d, port, ssl, d + "/www")


def h2o(place, tls=False, text=TEXT, **_):
    port = free_port()
    d = place.folder("h2o")
    os.makedirs(d + "/www")
    os.symlink(place.static + "/static", d + "/www/static")
    place.write(d + "/www/hello", text)
    place.write(d + "/h2o.conf", h2o_config(place, d, port, tls))
    running = Running([need("h2o"), "-m", "master", "-c", d + "/h2o.conf"], port, d + "/log")

    def rewrite(new):
        # A folder of its own: the present process would serve a changed file at once.
        www = place.folder("h2o-www")
        place.write(www + "/hello", new)
        place.write(d + "/h2o.conf", h2o_config(place, d, port, tls).replace(
            d + "/www\n", www + "\n"))
    running.rewrite = rewrite
    return running


def lighttpd(place, tls=False, text=TEXT, **_):
    port = free_port()
    d = place.folder("lighttpd")
    ssl = ('server.modules += ("mod_openssl")\nssl.engine = "enable"\nssl.pemfile = "%s"\n'
           'ssl.privkey = "%s"\nssl.openssl.ssl-conf-cmd = ("MinProtocol" => "TLSv1.3")\n'
           % (place.cert, place.key)) if tls else ""
    os.makedirs(d + "/www")
    os.symlink(place.static + "/static", d + "/www/static")
    place.write(d + "/www/hello", text)
    place.write(d + "/lighttpd.conf", """server.document-root = "%s/www"
server.bind = "127.0.0.1"
server.port = %d
server.max-connections = %d
server.max-fds = 20000
server.max-keep-alive-requests = 65535
server.max-keep-alive-idle = 75
server.listen-backlog = 4096
server.errorlog = "%s/error"
%s""" % (d, port, MANY // 2, d, ssl))
    return Running([need("lighttpd"), "-D", "-f", d + "/lighttpd.conf"], port, d + "/log")


def caddy_config(place, d, port, admin, tls, text):
    site = "https://localhost:%d, https://127.0.0.1:%d" % (port, port) if tls else (
        "http://127.0.0.1:%d" % port)
    secure = "tls %s %s\n" % (place.cert, place.key) if tls else ""
    return """{
  admin 127.0.0.1:%d
  auto_https off
  log default {
    output file %s/caddy.log
    level ERROR
  }
}
%s {
  bind 127.0.0.1
  %shandle /static/* {
    root * %s
    file_server
  }
  handle {
    respond "%s"
  }
}
""" % (admin, d, site, secure, place.static, text.replace("\n", "\\n"))


def caddy(place, tls=False, text=TEXT, **_):
    port, admin = free_port(), free_port()
    d = place.folder("caddy")
    config = d + "/Caddyfile"
    place.write(config, caddy_config(place, d, port, admin, tls, text))
    env = dict(os.environ, HOME=d, XDG_DATA_HOME=d, XDG_CONFIG_HOME=d)
    running = Running([need("caddy"), "run", "--adapter", "caddyfile", "--config", config],
                      port, d + "/log", env=env)
    running.admin, running.env, running.config = admin, env, config
    running.rewrite = lambda new: place.write(
        config, caddy_config(place, d, port, admin, tls, new))
    return running


def apache(place, tls=False, text=TEXT, **_):
    port = free_port()
    d = place.folder("apache")
    os.makedirs(d + "/www")
    os.symlink(place.static + "/static", d + "/www/static")
    place.write(d + "/www/hello", text)
    modules = ["mpm_event", "authz_core", "unixd"] + (["socache_shmcb", "ssl"] if tls else [])
    secure = ("SSLEngine on\nSSLProtocol TLSv1.3\nSSLCertificateFile %s\n"
              "SSLCertificateKeyFile %s\n" % (place.cert, place.key)) if tls else ""
    place.write(d + "/apache.conf", """ServerRoot %s
ServerName localhost
PidFile %s/pid
ErrorLog %s/error
%s
Listen 127.0.0.1:%d
ListenBacklog 4096
User www-data
Group www-data
ServerLimit 1
StartServers 1
ThreadLimit 128
ThreadsPerChild 128
MaxRequestWorkers 128
MinSpareThreads 1
MaxSpareThreads 128
AsyncRequestWorkerFactor 100
KeepAlive On
KeepAliveTimeout 75
MaxKeepAliveRequests 0
EnableSendfile On
EnableMMAP Off
DocumentRoot %s/www
%s<Directory "/">
  Require all granted
  Options FollowSymLinks
</Directory>
""" % (d, d, d, "\n".join("LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so" % (m, m)
                          for m in modules if m != "unixd" or os.path.exists(
                              "/usr/lib/apache2/modules/mod_unixd.so")), port, d, secure))
    running = Running([need("apache2"), "-DFOREGROUND", "-f", d + "/apache.conf"], port,
                      d + "/log")
    def rewrite(new):
        www = place.folder("apache-www")
        place.write(www + "/hello", new)
        with open(d + "/apache.conf") as f:
            config = re.sub(r'DocumentRoot \S+', "DocumentRoot " + www, f.read())
        place.write(d + "/apache.conf", config)
    running.rewrite = rewrite
    return running


MAKERS = {"floor": floor, "molt": molt, "nginx": nginx, "haproxy": haproxy, "h2o": h2o,
          "lighttpd": lighttpd, "caddy": caddy, "apache": apache}
PEERS = ["nginx", "haproxy", "h2o", "lighttpd", "caddy", "apache"]
PACKAGES = {"nginx": "nginx", "haproxy": "haproxy", "h2o": "h2o", "lighttpd": "lighttpd",
            "caddy": "caddy", "apache": "apache2"}


def versions():
    """{peer: version of its package}"""
    found = {}
    for name, package in PACKAGES.items():
        out = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package],
                             capture_output=True, text=True)
        found[name] = out.stdout.strip() if out.returncode == 0 else None
    return found
