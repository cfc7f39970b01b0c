/** Grammar of names, free text, topics and tokens. All measure bytes of UTF-8, as PROTOCOL.md does. */
import { LIMITS } from '../wire/limits.ts';

/** At most `max` bytes as UTF-8, and no lone surrogate (which UTF-8 cannot carry). */
export function isText(text: string, max: number): boolean {
  if (text.length > max) return false;
  let bytes = 0;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (unit < 0xd800 || unit > 0xdfff) bytes += 3;
    else if (unit > 0xdbff || !isLowSurrogate(text.charCodeAt(i + 1))) return false;
    else {
      bytes += 4;
      i += 1;
    }
  }
  return bytes <= max;
}

/** Text of 1 to `max` bytes without control characters: C0, DEL, C1. */
export function isName(text: string, max: number): boolean {
  return text.length > 0 && isLabel(text, max);
}

/** As a name, but may be empty. */
export function isLabel(text: string, max: number): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 || (unit >= 0x7f && unit < 0xa0)) return false;
  }
  return isText(text, max);
}

/** Why a topic is refused, or undefined. Tokens `[A-Za-z0-9_:-]{1,64}` separated by dots. */
export function topicFault(topic: string): string | undefined {
  if (topic.includes('*') || topic.includes('>')) return 'wildcards are for subscriptions: name one topic exactly';
  return tokensFault(topic, topic.split('.'));
}

/** The same of what is subscribed to: a topic, or a pattern with `*` for a token and `>` for the tail. */
export function subscriptionFault(topic: string): string | undefined {
  const tokens = topic.split('.');
  const named = tokens.filter((token, at) => token !== '*' && (token !== '>' || at < tokens.length - 1));
  if (named.some((token) => token.includes('*') || token.includes('>'))) {
    return 'a wildcard is a token of its own: * for one, > for all that follow, at the end';
  }
  return tokensFault(topic, named, tokens.length);
}

function tokensFault(topic: string, named: readonly string[], count = named.length): string | undefined {
  if (topic.length > LIMITS.topicBytes) return `must be at most ${LIMITS.topicBytes} bytes`;
  if (count > LIMITS.topicTokensMax) return `must have at most ${LIMITS.topicTokensMax} tokens`;
  return named.every(isToken) ? undefined : 'must be tokens of 1 to 64 characters A–Z a–z 0–9 _ : - separated by dots';
}

const TOKEN = /^[A-Za-z0-9_:-]{1,64}$/;

function isToken(token: string): boolean {
  return TOKEN.test(token);
}

/** A fencing token. */
export function isFence(text: string): boolean {
  if (text.length === 0 || text.length > LIMITS.tokenDigits) return false;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0x30 || unit > 0x39) return false;
  }
  return true;
}

const TENANT = /^[a-z0-9][a-z0-9-]{0,31}$/;

/** Stands in keys between underscores and in file names, so it is narrow. */
export function isTenantId(text: string): boolean {
  return TENANT.test(text);
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
