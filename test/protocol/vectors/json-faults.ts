/** Messages of `muster.v1.json` that are refused, and odd ones that are taken. Source of protocol/vectors/json.json. */
import type { ScanReason } from '../../../protocol/wire/scan.ts';

export interface JsonFault {
  readonly name: string;
  /** The message; `hex` where it is not text. `{…}` is `{"p":…}` in the tables below. */
  readonly text?: string;
  readonly hex?: string;
  readonly reason: ScanReason;
  readonly offset: number;
}

const at = (name: string, text: string, fault: readonly [ScanReason, number]): JsonFault => ({
  name,
  text,
  reason: fault[0],
  offset: fault[1],
});
/** A value as the only param; it begins at byte 12. */
const value = (name: string, json: string, [reason, offset]: readonly [ScanReason, number]): JsonFault =>
  at(name, `[5,1,{"p":{"a":${json}}}]`, [reason, 15 + offset]);

export const JSON_REFUSED: readonly JsonFault[] = [
  at('nothing', '', ['empty', 0]),
  at('a line break', '\n', ['truncated', 0]),
  at('an empty line between', '[5,1,{}]\n\n[5,2,{}]', ['truncated', 9]),
  at('not an array', '{"op":5}', ['frame_shape', 0]),
  at('a bare integer', '5', ['frame_shape', 0]),
  at('no element', '[]', ['frame_shape', 0]),
  at('two elements', '[5,1]', ['frame_shape', 0]),
  at('five elements', '[5,1,{},{},{}]', ['frame_shape', 0]),
  at('cut behind the bracket', '[', ['truncated', 1]),
  at('cut behind op', '[5', ['truncated', 2]),
  at('cut in the body', '[5,1,{"m":', ['truncated', 10]),
  at('cut by a line break', '[5,1,\n{}]', ['truncated', 5]),
  at('text behind the frame', '[5,1,{}] x', ['json_syntax', 9]),
  at('two frames in one line', '[5,1,{}][5,2,{}]', ['json_syntax', 8]),
  at('op 0', '[0,1,{}]', ['bad_op', 1]),
  at('op 128', '[128,1,{}]', ['bad_op', 1]),
  at('op text', '["5",1,{}]', ['bad_op', 1]),
  at('op fraction', '[5.5,1,{}]', ['bad_op', 1]),
  at('id negative', '[5,-1,{}]', ['bad_id', 3]),
  at('id above 2^32-1', '[5,4294967296,{}]', ['bad_id', 3]),
  at('id nil', '[5,null,{}]', ['bad_id', 3]),
  at('body nil', '[5,1,null]', ['bad_body', 5]),
  at('body binary', '[5,1,{"$bin":""}]', ['bad_body', 5]),
  at('meta array', '[5,1,{},[]]', ['bad_meta', 8]),
  at('meta of another type', '[5,1,{},{"k":5}]', ['bad_meta', 8]),
  at('key __proto__', '[5,1,{"__proto__":{}}]', ['key_denied', 6]),
  at('key __proto__, escaped', '[5,1,{"\\u005f_proto__":{}}]', ['key_denied', 6]),
  at('key constructor', '[5,1,{"p":{"constructor":1}}]', ['key_denied', 11]),
  at('key twice', '[5,1,{"a":1,"a":2}]', ['key_duplicate', 12]),
  at('key twice, once escaped', '[5,1,{"a":1,"\\u0061":2}]', ['key_duplicate', 12]),
  at('empty key twice', '[5,1,{"":1,"":2}]', ['key_duplicate', 11]),
  at('key of 129 bytes', `[5,1,{"${'a'.repeat(129)}":1}]`, ['key_too_long', 6]),
  at('key without quotes', '[5,1,{m:1}]', ['json_syntax', 6]),
  at('key that is a number', '[5,1,{1:1}]', ['json_syntax', 6]),
  at('no colon', '[5,1,{"m" 1}]', ['json_syntax', 10]),
  at('a comma too many', '[5,1,{"m":1,}]', ['json_syntax', 12]),
  value('a comma too many in an array', '[1,]', ['json_syntax', 3]),
  value('no value', '}', ['json_syntax', 0]),
  value('a comment', '/* */1', ['json_syntax', 0]),
  value('single quotes', "'a'", ['json_syntax', 0]),
  value('NaN', 'NaN', ['json_syntax', 0]),
  value('Infinity', '-Infinity', ['json_syntax', 1]),
  value('a number above all', '1e400', ['not_finite', 0]),
  value('2^53+1', '9007199254740993', ['int_out_of_range', 0]),
  value('-2^53-1', '-9007199254740993', ['int_out_of_range', 0]),
  value('17 digits', '10000000000000000', ['int_out_of_range', 0]),
  value('a zero in front', '01', ['json_syntax', 1]),
  value('a plus in front', '+1', ['json_syntax', 0]),
  value('no digit behind the point', '1.', ['json_syntax', 2]),
  value('no digit before the point', '.5', ['json_syntax', 0]),
  value('no digit in the exponent', '1e+', ['json_syntax', 3]),
  value('half a literal', 'tru', ['json_syntax', 3]),
  value('another literal', 'True', ['json_syntax', 0]),
  value('a tab in a text', '"a\tb"', ['json_syntax', 2]),
  value('an unknown escape', '"\\x41"', ['json_syntax', 2]),
  value('half an escape', '"\\u12"', ['json_syntax', 5]),
  value('half a pair', '"\\ud83e"', ['invalid_utf8', 1]),
  value('the second half alone', '"\\udd94"', ['invalid_utf8', 1]),
  value('two first halves', '"\\ud83e\\ud83e"', ['invalid_utf8', 1]),
  value('binary that is no text', '{"$bin":5}', ['bad_bin', 0]),
  value('binary without padding', '{"$bin":"AA"}', ['bad_bin', 0]),
  value('binary with bits too many', '{"$bin":"AB=="}', ['bad_bin', 0]),
  value('binary of another alphabet', '{"$bin":"_-_-"}', ['bad_bin', 0]),
  value('binary with white space', '{"$bin":"AAAA AAA"}', ['bad_bin', 0]),
  { name: 'text that is no UTF-8', hex: '5b352c312c7b2261223a22c32822 7d5d', reason: 'invalid_utf8', offset: 11 },
  { name: 'a key that is no UTF-8', hex: '5b352c312c7b22ff223a317d5d', reason: 'invalid_utf8', offset: 7 },
  { name: 'a surrogate in UTF-8', hex: '5b352c312c7b2261223a22eda08022 7d5d', reason: 'invalid_utf8', offset: 11 },
  { name: 'a byte order mark', hex: 'efbbbf5b352c312c7b7d5d', reason: 'frame_shape', offset: 0 },
  { name: 'MessagePack', hex: '93050180', reason: 'frame_shape', offset: 0 },
];

/** Text, and the frames that it means as MessagePack. */
export const JSON_TAKEN: readonly { readonly name: string; readonly text: string; readonly msgpack: string }[] = [
  { name: 'white space', text: ' [ 5 ,\t1 , { "a" : [ ] } ] \r', msgpack: '93050181a16190' },
  { name: 'a line break at the end', text: '[5,0,{}]\n', msgpack: '93050080' },
  { name: 'two frames', text: '[5,1,{}]\n[5,2,{},{"k":"x"}]', msgpack: '9305018094050280 81a16ba178' },
  { name: 'op and id as integral floats', text: '[5.0,1e0,{}]', msgpack: '93050180' },
  { name: '2^53', text: '[5,1,{"a":9007199254740992}]', msgpack: '93050181a161cb4340000000000000' },
  { name: '2^53-1', text: '[5,1,{"a":9007199254740991}]', msgpack: '93050181a161cf001fffffffffffff' },
  { name: 'a fraction', text: '[5,1,{"a":-1.5e0}]', msgpack: '93050181a161cbbff8000000000000' },
  {
    name: 'escapes',
    text: '[5,1,{"a":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9"}]',
    msgpack: '93050181a161aa225c2f080c0a0d09c3a9',
  },
  { name: 'a pair', text: '[5,1,{"a":"\\ud83e\\udd94"}]', msgpack: '93050181a161a4f09fa694' },
  { name: 'a binary value', text: '[5,1,{"a":{"$bin":"AP8H"}}]', msgpack: '93050181a161c40300ff07' },
  { name: 'an empty binary value', text: '[5,1,{"a":{"$bin":""}}]', msgpack: '93050181a161c400' },
  { name: 'a map that looks like one', text: '[5,1,{"a":{"$$bin":"AA"}}]', msgpack: '93050181a16181a42462696ea24141' },
  { name: 'a map with $bin among others', text: '[5,1,{"$bin":1,"a":2}]', msgpack: '93050182a42462696e01a16102' },
  { name: 'a body that looks like a binary value', text: '[5,1,{"$$bin":1}]', msgpack: '93050181a42462696e01' },
];

const DEEP = 31;
/** Made to hurt a careless reader. `{"$repeat": [text, n]}` parts are joined. */
export const JSON_BOMBS: readonly {
  readonly name: string;
  readonly parts: readonly (string | { readonly $repeat: readonly [string, number] })[];
  readonly reason: ScanReason | 'ok';
}[] = [
  { name: '100,000 nested arrays', parts: [{ $repeat: ['[', 100_000] }], reason: 'bad_op' },
  { name: '100,000 nested arrays in a body', parts: ['[5,1,{"p":', { $repeat: ['[', 100_000] }], reason: 'too_deep' },
  { name: '30,000 nested maps in a body', parts: ['[5,1,', { $repeat: ['{"p":', 30_000] }], reason: 'too_deep' },
  {
    name: 'as deep as it may be',
    parts: ['[5,1,{"p":', { $repeat: ['[', DEEP - 1] }, { $repeat: [']', DEEP - 1] }, '}]'],
    reason: 'ok',
  },
  {
    name: 'a level too many',
    parts: ['[5,1,{"p":', { $repeat: ['[', DEEP] }, { $repeat: [']', DEEP] }, '}]'],
    reason: 'too_deep',
  },
  {
    name: 'a binary value as deep as it may be',
    parts: ['[5,1,{"p":', { $repeat: ['[', DEEP - 1] }, '{"$bin":"AA=="}', { $repeat: [']', DEEP - 1] }, '}]'],
    reason: 'ok',
  },
  {
    name: 'binary values in each other, up to the last level',
    parts: ['[5,1,{"p":', { $repeat: ['{"$bin":', DEEP] }, '"AA=="', { $repeat: ['}', DEEP] }, '}]'],
    reason: 'bad_bin',
  },
  {
    name: 'binary values in each other, a level too many',
    parts: ['[5,1,{"p":', { $repeat: ['{"$bin":', DEEP + 1] }, '"AA=="', { $repeat: ['}', DEEP + 1] }, '}]'],
    reason: 'too_deep',
  },
  {
    name: '4,000 binary values in each other',
    parts: ['[5,1,{"p":', { $repeat: ['{"$bin":', 4_000] }, '"AA=="', { $repeat: ['}', 4_000] }, '}]'],
    reason: 'too_deep',
  },
  { name: '20,000 values', parts: ['[5,1,{"p":[0', { $repeat: [',0', 20_000] }, ']}]'], reason: 'too_many_items' },
  { name: '65 frames', parts: ['[5,0,{}]', { $repeat: ['\n[5,0,{}]', 64] }], reason: 'too_many_frames' },
  { name: '100,000 frames', parts: ['[5,0,{}]', { $repeat: ['\n[5,0,{}]', 99_999] }], reason: 'too_many_frames' },
  {
    name: 'a frame above its limit',
    parts: ['[5,1,{"p":"', { $repeat: ['a', 262_144] }, '"}]'],
    reason: 'frame_too_large',
  },
  { name: 'a message above its limit', parts: [{ $repeat: [' ', 1_048_577] }], reason: 'message_too_large' },
  {
    name: '9,000 floats that are larger as MessagePack',
    parts: ['[5,1,{"p":[0.5', { $repeat: [',0.5', 8_999] }, ']}]'],
    reason: 'ok',
  },
  { name: '40,000 escapes', parts: ['[5,1,{"p":"', { $repeat: ['\\u0041', 40_000] }, '"}]'], reason: 'ok' },
  {
    name: 'a number of 200,000 digits',
    parts: ['[5,1,{"p":', { $repeat: ['9', 200_000] }, '}]'],
    reason: 'int_out_of_range',
  },
  { name: 'a fraction of 200,000 digits', parts: ['[5,1,{"p":0.', { $repeat: ['1', 200_000] }, '}]'], reason: 'ok' },
];
