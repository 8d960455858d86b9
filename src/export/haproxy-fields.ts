// Header fields in HAProxy: rules that are carried out in the order written.
import type { HttpListenerConfig } from '../config/config.ts';
import type { HeaderEditSetting } from '../config/schema-route.ts';
import type { ExportSettings } from './exported.ts';
import { isUnix, schemeOf } from './facts.ts';
import { chunks, value, when, word } from './haproxy-text.ts';

const HOP_BY_HOP = '^(keep-alive|proxy|proxy-authorization|proxy-connection|te|trailer)$';
const TRUSTED = 'trusted';

/** What every target of a listener gets beside its Host and the route's edits. */
export function listenerRules(listener: HttpListenerConfig, settings: ExportSettings): string[] {
  const { forwarded, trustedProxies, address } = listener;
  const isLean = settings.isLean === true;
  const isTrusting = forwarded === 'replace' && trustedProxies.length > 0;
  const drop = (rule: string): string => (isTrusting ? `${rule} unless ${TRUSTED}` : rule);
  return [
    ...(isLean ? [] : [`http-request del-header ${word(HOP_BY_HOP)} -m reg`]),
    ...(isTrusting ? trustedRules(trustedProxies) : []),
    ...(forwarded === 'append' || (forwarded === 'off' && isLean)
      ? []
      : [
          drop('http-request del-header x-forwarded- -m beg'),
          drop('http-request del-header forwarded'),
          drop('http-request del-header x-real-ip'),
        ]),
    ...(forwarded === 'off' ? [] : forwardedRules(isUnix(address), schemeOf(listener))),
  ];
}

function trustedRules(proxies: HttpListenerConfig['trustedProxies']): string[] {
  return chunks(proxies).map(
    (some) => `acl ${TRUSTED} src ${some.map(({ host, bits }) => `${host}/${bits}`).join(' ')}`,
  );
}

/** What says one thing stands when there is one left that is believed; lists are continued. */
function forwardedRules(isLocal: boolean, scheme: string): string[] {
  const client = isLocal ? 'unknown' : '%[src]';
  const unlessSaid = (name: string, format: string, condition = ''): string =>
    `http-request set-header ${name} ${word(format)} if !{ req.hdr(${name}) -m found }${condition}`;
  return [
    `http-request add-header X-Forwarded-For ${word(client)}`,
    unlessSaid('X-Forwarded-Proto', scheme),
    unlessSaid('X-Forwarded-Host', '%[req.hdr(host)]', ' { req.hdr(host) -m found }'),
    ...(isLocal ? [] : [unlessSaid('X-Real-IP', '%[src]')]),
    `http-request set-var-fmt(txn.for) ${word(client)}`,
    ...(isLocal
      ? []
      : [`http-request set-var-fmt(txn.for) ${word('"[%[src]]"')} if { src -m sub : }`]),
    // A Host that could leave its quotes is not repeated.
    `http-request set-var-fmt(txn.by) ${word(';host="%[req.hdr(host)]"')} if { req.hdr(host) -m reg ${word('^[A-Za-z0-9._:%\\[\\]-]+$')} }`,
    `http-request set-var-fmt(txn.by) ${word(';host=%[req.hdr(host)]')} if { req.hdr(host) -m reg ${word('^[A-Za-z0-9._-]+$')} }`,
    `http-request add-header Forwarded ${word(`for=%[var(txn.for)]%[var(txn.by)];proto=${scheme}`)}`,
  ];
}

export function editRules(
  direction: 'http-request' | 'http-response',
  edits: readonly HeaderEditSetting[],
  condition: string,
): string[] {
  return edits.map(({ op, name, value: text }) =>
    when(
      condition,
      op === 'remove'
        ? `${direction} del-header ${word(name)}`
        : `${direction} ${op}-header ${word(name)} ${value(text)}`,
    ),
  );
}
