// What becomes of a request to a forward proxy before anything is connected: the proxy's own documents, loops, who asks,
// where to. It ends in a way to go or in an answer. Main thread; one an exchange.
import type { ErrorCode } from '../../contract/codes.ts';
import { type Answer, errorAnswer } from './answer.ts';
import type { IpPort } from './client-address.ts';
import { DENIALS, type EgressWish, type Refusal, seekEgress, type Way } from './egress.ts';
import { listElements } from './field-rules.ts';
import { authAnswer, denialAnswer, pacAnswer } from './forward-answers.ts';
import type { LiveForward, LiveListener, LiveRoute } from './live-plan.ts';
import type { LiveUser } from './live-user.ts';
import { readBasic } from './live-users.ts';
import type { RequestHead } from './request-head.ts';

export interface Applicant {
  readonly listener: LiveListener;
  readonly forward: LiveForward;
  readonly clientHost: string;
  /** The address of ours that the client came to; null on a unix socket. */
  readonly cameTo: IpPort | null;
  /** Nobody waits for the outcome any more. */
  readonly isGone: () => boolean;
  /** The user has begun something, which whoever is told this has to end. */
  readonly onBegun: (user: LiveUser) => void;
}

export type Admission =
  | { readonly kind: 'admitted'; readonly way: Way }
  | {
      readonly kind: 'answered';
      readonly code: ErrorCode;
      readonly answer: Answer;
      /** The rule that decided. */
      readonly route: LiveRoute | null;
    };

const PAC_PATH = '/proxy.pac';

export async function admit(head: RequestHead, applicant: Applicant): Promise<Admission> {
  const { listener, forward, clientHost, cameTo } = applicant;
  const { destination } = head;
  if (destination === null) return ownDocument(head, applicant);
  if (hasBeenHere(head, forward)) return answered('proxy_loop', errorAnswer('proxy_loop'));
  const user = await userOf(head, forward);
  if (user === 'unknown') return answered('proxy_auth_required', authAnswer(forward.plan));
  if (applicant.isGone()) return answered('client_aborted', errorAnswer('client_aborted'));
  if (user !== null) {
    const begun = user.begin();
    if (begun !== 'none') return answered(begun, errorAnswer(begun));
    applicant.onBegun(user);
  }
  const wish: EgressWish = {
    listener,
    forward,
    clientHost,
    cameTo,
    user,
    destination,
    method: head.method,
    path: head.method === 'CONNECT' ? null : head.path,
  };
  try {
    const egress = await seekEgress(wish);
    if (egress.kind === 'way') return { kind: 'admitted', way: egress };
    return answered(egress.code, answerOf(egress, wish), egress.route);
  } catch {
    return answered('internal', errorAnswer('internal'));
  }
}

function answered(code: ErrorCode, answer: Answer, route: LiveRoute | null = null): Admission {
  return { kind: 'answered', code, answer, route };
}

function ownDocument(head: RequestHead, { listener, forward, cameTo }: Applicant): Admission {
  const { pac } = forward.plan;
  const isRead = head.method === 'GET' || head.method === 'HEAD';
  if (pac === null || head.path !== PAC_PATH || !isRead)
    return answered('destination_malformed', errorAnswer('destination_malformed'));
  const facts = { authority: head.authority, cameTo, isSecure: listener.tls !== null };
  return answered('none', pacAnswer(pac, facts));
}

/** RFC 9110 section 7.6.3: whoever passed the request on has left its name. */
function hasBeenHere({ fields }: RequestHead, { plan }: LiveForward): boolean {
  const own = plan.viaName.toLowerCase();
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (fields[i]?.toLowerCase() !== 'via') continue;
    const hops = listElements(fields[i + 1] ?? '').map((hop) => hop.split(/[ \t]+/)[1]);
    if (hops.some((hop) => hop?.toLowerCase() === own)) return true;
  }
  return false;
}

/** null: nobody is asked. */
async function userOf(
  { fields }: RequestHead,
  { users }: LiveForward,
): Promise<LiveUser | null | 'unknown'> {
  if (users === null) return null;
  const given: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (fields[i]?.toLowerCase() === 'proxy-authorization') given.push(fields[i + 1] ?? '');
  }
  const [only = '', ...more] = given;
  const login = more.length > 0 ? null : readBasic(only);
  if (login === null) return 'unknown';
  return (await users.find(login.name, login.password)) ?? 'unknown';
}

function answerOf({ code, route, denial }: Refusal, wish: EgressWish): Answer {
  if (denial === null) return errorAnswer(code);
  return denialAnswer(code, wish.forward.plan, {
    destination: wish.destination,
    rule: route?.plan.name ?? '',
    client: wish.clientHost,
    user: wish.user?.name ?? '',
    reason: DENIALS[denial],
  });
}
