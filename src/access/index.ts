/** Who somebody is and what they may do: what the node and the sessions use of this folder. */
export { accessMatrix, authorise, authoriseHello, type AccessRow } from './authorise.ts';
export { AttemptGuard } from './guard.ts';
export { createJwtAuthenticator, isJwt, type JwtOptions, type KeySource } from './jwt.ts';
export { KeyFeed, type KeySourceOptions } from './key-source.ts';
export { Rates, tooOften, type PrincipalRates, type RateCounters, type RateSettings } from './rates.ts';
export { parseKeySet, type VerifyingKey } from './key-set.ts';
export {
  SYSTEM_TENANT,
  createAuthenticator,
  hashSecret,
  mintKey,
  parseKey,
  type AuthenticatorOptions,
  type KeyDirectory,
  type KeyRecord,
  type MintedKey,
  type ParsedKey,
} from './keys.ts';
