/**
 * The sizes that blocks have, in doubles. Those of up to a page (8 KiB) are the page's parts: class n has n blocks a page,
 * so that no page has a rest. Larger ones are powers of two, their classes follow.
 */

export const PAGE_BITS = 10
export const PAGE = 2 ** PAGE_BITS
/** Blocks a page, at most: a smaller block has no account. */
const MOST = 64

/** One more than the highest class. */
export const SIZE_CLASSES = MOST + 33

/** The class of the smallest size for so many doubles, at least 1. */
export const classFor = (doubles: number): number =>
  doubles > PAGE ? MOST + 32 - Math.clz32(doubles - 1) : Math.min(MOST, Math.floor(PAGE / doubles))

export const sizeOfClass = (sizeClass: number): number =>
  sizeClass <= MOST ? Math.floor(PAGE / sizeClass) : 2 ** (sizeClass - MOST)
