/** The log on Redis. */
export { parseRedisUrl, type RedisAddress } from './address.ts';
export { openRedisLog, type RedisLog, type RedisLogOptions, type RedisStatus } from './driver.ts';
