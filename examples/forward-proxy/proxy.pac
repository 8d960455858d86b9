// What browsers ask before each request: names of this network directly, everything else through the proxy.
function FindProxyForURL(url, host) {
  if (isPlainHostName(host) || dnsDomainIs(host, '.intranet.example')) return 'DIRECT';
  return 'PROXY 127.0.0.1:3128';
}
