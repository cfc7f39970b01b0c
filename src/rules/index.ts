/** Rules at the edge: CEL source becomes checked trees, or faults with their places. */
export { compileRule, type Sources } from './compile.ts';
