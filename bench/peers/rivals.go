package main

import (
	"fmt"
	"path/filepath"
)

// nginxConfig is a whole file around an http block: one worker, no logs, no
// path outside of dir.
func nginxConfig(dir, name, http string) string {
	return fmt.Sprintf(`daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid %[1]s.pid;
error_log stderr crit;
events { worker_connections 19000; }
http {
access_log off;
client_body_temp_path %[1]s-body;
proxy_temp_path %[1]s-proxy;
fastcgi_temp_path %[1]s-fastcgi;
uwsgi_temp_path %[1]s-uwsgi;
scgi_temp_path %[1]s-scgi;
%[2]s}
`, filepath.Join(dir, name), http)
}

// startNginx starts an nginx that splits with split_clients: for the plain target
// by a value that differs with each request, for the sticky one by a cookie.
// Bodies stream both ways, as with the others.
func startNginx(w *world, name string) (*proxy, error) {
	to, err := w.newTargets()
	if err != nil {
		return nil, err
	}
	to.sticky.cookie = "uid=visitor-%d-of-nginx"
	server := func(address, version string) string {
		return fmt.Sprintf(`server {
  listen %s backlog=16384;
  location / { proxy_pass http://$%s; }
}
`, address, version)
	}
	file, err := w.write(name+".conf", nginxConfig(w.dir, name, fmt.Sprintf(`upstream blue { server %s; keepalive 128; keepalive_requests 1000000000; }
upstream green { server %s; keepalive 128; keepalive_requests 1000000000; }
split_clients "$connection-$connection_requests" $drawn { 10%% green; * blue; }
split_clients "$cookie_uid" $kept { 10%% green; * blue; }
keepalive_requests 1000000000;
client_max_body_size 0;
proxy_http_version 1.1;
proxy_set_header Connection "";
proxy_set_header Host $host;
proxy_request_buffering off;
proxy_buffer_size 16k;
proxy_buffers 16 16k;
proxy_busy_buffers_size 64k;
proxy_max_temp_file_size 0;
ssl_certificate cert.pem;
ssl_certificate_key key.pem;
ssl_protocols TLSv1.2 TLSv1.3;
%s%s%s`, w.blue, w.green, server(to.plain.address, "drawn"), server(to.sticky.address, "kept"), server(to.secure.address+" ssl http2", "drawn"))))
	if err != nil {
		return nil, err
	}
	return w.launch(name, to, w.path("nginx"), "-c", file, "-e", "stderr")
}

// startHAProxy starts a HAProxy that splits by server weights, and keeps clients
// by the cookie that it inserts.
func startHAProxy(w *world, name string) (*proxy, error) {
	to, err := w.newTargets()
	if err != nil {
		return nil, err
	}
	file, err := w.write(name+".cfg", fmt.Sprintf(`global
  maxconn 9850
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 5m
  timeout server 15s
  http-reuse always
frontend plain
  bind %s
  default_backend plain
frontend sticky
  bind %s
  default_backend sticky
frontend secure
  bind %[5]s ssl crt both.pem alpn h2,http/1.1
  default_backend plain
backend plain
  balance roundrobin
  server blue %[3]s weight 90
  server green %[4]s weight 10
backend sticky
  balance roundrobin
  cookie weir_id insert indirect nocache httponly
  server blue %[3]s weight 90 cookie blue
  server green %[4]s weight 10 cookie green
`, to.plain.address, to.sticky.address, w.blue, w.green, to.secure.address))
	if err != nil {
		return nil, err
	}
	return w.launch(name, to, w.path("haproxy"), "-db", "-f", file)
}

// startCaddy starts a Caddy that splits by weighted round robin, and keeps clients
// by its signed cookie, which knows no weights.
func startCaddy(w *world, name string) (*proxy, error) {
	to, err := w.newTargets()
	if err != nil {
		return nil, err
	}
	file, err := w.write("Caddyfile", fmt.Sprintf(`{
	admin off
	auto_https off
	persist_config off
	log {
		level ERROR
	}
}
http://%s {
	bind 127.0.0.1
	reverse_proxy %[3]s %[4]s {
		lb_policy weighted_round_robin 9 1
	}
}
https://%[5]s {
	bind 127.0.0.1
	tls cert.pem key.pem
	reverse_proxy %[3]s %[4]s {
		lb_policy weighted_round_robin 9 1
	}
}
http://%[2]s {
	bind 127.0.0.1
	reverse_proxy %[3]s %[4]s {
		lb_policy cookie uid secret
	}
}
`, ":"+port(to.plain.address), ":"+port(to.sticky.address), w.blue, w.green, ":"+port(to.secure.address)))
	if err != nil {
		return nil, err
	}
	return w.launch(name, to, w.path("caddy"), "run", "--config", file, "--adapter", "caddyfile")
}
