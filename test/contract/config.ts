// Short forms of the configurations that cases need. HTTP listeners are `web`, the pool is `all`.

/** One HTTP listener whose every request goes to one pool. */
export function httpConfig(
  targets: readonly unknown[],
  listener: object = {},
  pool: object = {},
): object {
  return {
    listeners: { web: { address: '127.0.0.1:0', protocol: 'http', pool: 'all', ...listener } },
    pools: { all: { targets, ...pool } },
  };
}

/** One HTTP listener with routes; those without an action of their own go to pool `all`. */
export function routesConfig(
  targets: readonly unknown[],
  routes: readonly object[],
  listener: object = {},
): object {
  return {
    listeners: {
      web: {
        address: '127.0.0.1:0',
        protocol: 'http',
        routes: routes.map((route) =>
          'respond' in route || 'redirect' in route || 'pool' in route
            ? route
            : { ...route, pool: 'all' },
        ),
        ...listener,
      },
    },
    pools: { all: { targets } },
  };
}

/** One TCP listener, `db`, on one pool. */
export function tcpConfig(
  targets: readonly unknown[],
  listener: object = {},
  pool: object = {},
): object {
  return {
    listeners: { db: { address: '127.0.0.1:0', protocol: 'tcp', pool: 'all', ...listener } },
    pools: { all: { targets, ...pool } },
  };
}
