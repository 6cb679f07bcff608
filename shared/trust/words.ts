/**
 * Five words for a host's two public keys. The box shows them, the operator's tool shows them, and a person compares: whoever
 * stands between would need keys of their own with the same words. 512 words make 45 bits, and the hash is slow on purpose
 * (PBKDF2, 20 000 rounds, some milliseconds), which puts 2^59 hashes before the one who tries. The list must never change: two versions of
 * felhom have to show the same words. No two words differ by one letter, and none begins another (tested).
 */
import { pbkdf2Sync } from "node:crypto";
import { assert } from "../core/assert.ts";
import { concat, utf8 } from "../core/bytes.ts";

export type FiveWords = readonly [string, string, string, string, string];

const ROUNDS = 20_000;
const WORD_BITS = 9;

/** Five words for the hash of something that two people sign: to read to each other. As slow, for the same reason. */
export function digestWords(hash: Uint8Array): FiveWords {
  assert(hash.byteLength === 32, "a SHA-256 is 32 bytes");
  return fiveWords(pbkdf2Sync(hash, utf8("felhom digest words 1"), ROUNDS, 8, "sha256"));
}

export function enrollmentWords(signingKey: Uint8Array, boxKey: Uint8Array): FiveWords {
  assert(signingKey.byteLength === 32 && boxKey.byteLength === 32, "public keys are 32 bytes");
  return fiveWords(pbkdf2Sync(concat(signingKey, boxKey), utf8("felhom enrollment words 1"), ROUNDS, 8, "sha256"));
}

function fiveWords(hash: Buffer): FiveWords {
  const words = wordList();
  const bits = hash.readBigUInt64BE(0);
  const word = (position: number): string => words[Number((bits >> BigInt(64 - WORD_BITS * (position + 1))) & 511n)] ?? "";
  return [word(0), word(1), word(2), word(3), word(4)];
}

export function wordList(): readonly string[] {
  return LIST.trim().split(/\s+/);
}

const LIST = `
abacus acorn actor adult agent alarm album algebra alley almond amber anchor angel ankle apple apron arena armor arrow artist aspen atlas attic author
autumn avocado bacon badge bagel baker balcony bamboo banana bandit banjo barrel basil basket bazaar beach beard beaver bedroom beetle berry bicycle
birch birthday bishop bison blanket blossom bonfire bottle boulder bracelet branch bread brick bridge broom brother bubble bucket buffalo butter
button cabbage cabin cactus camel camera canary candle canoe canyon captain carbon cargo carpet carrot castle cathedral cavern cedar cello chalk
cheese cherry chess chicken chimney cider cinema circus citrus clarinet cloud clover cobra cobweb coconut coffee comet compass copper coral corner
cotton cougar cousin cowboy cradle crayon cricket crystal cube curtain cyclone daisy dancer denim dentist desert diamond diesel dinner doctor dolphin
domino donkey dragon drawer drum duck dune dungeon eagle earring easel eclipse eggplant elbow elephant elevator elk emerald emperor engine envelope
evening fabric factory fairy falcon family farmer feather fence fern fiddle finger fisherman flag flamingo flour flute fog folder forest fossil
fountain foxglove freezer frisbee furnace galaxy garden gargoyle garlic gazelle gecko geyser giraffe glacier glove goat gondola goose gorilla granite
grape gravel grotto guitar gumdrop hammer hamster harbor harp hatchet hawk hazel hedgehog helmet hermit hippo hockey honey horizon horse hotel hummus
hurricane husky hyena iceberg igloo iguana island ivory ivy jackal jacket jaguar jasmine jeep jelly jewel jigsaw judge juice jukebox jungle juniper
jury kangaroo kayak kettle keyboard kimono king kitchen kite kitten kiwi knight koala ladder lagoon lantern laptop lasso laundry lava lawyer lemon
leopard lettuce library lily limerick lion lizard llama lobster locket lotus lumber lunch lynx magnet magpie mammoth mango maple marathon marble
market mattress meadow medal melon mermaid meteor midnight milk mirror monsoon moon mosquito moss muffin museum mushroom mustang mustard napkin
necklace nectar needle nephew nest nickel ninja nomad noodle novel nugget nurse nutmeg oasis oatmeal obelisk ocean octopus office olive omelet onion
opera orange orbit orchid origami ostrich otter oven owl oyster paddle pagoda painter palace palm pancake panda panther papaya parade pasture peacock
peanut pebble pelican pencil penguin pepper piano pickle pigeon pillow pilot pineapple pirate pizza planet plaza plum poet polar pony popcorn porch
potato prairie prince pudding puma pumpkin puppet puzzle pyramid quail quarry quartz queen quiche quilt quiver rabbit raccoon radar radio radish raft
railway rainbow raisin ranger raven recipe reindeer rhubarb ribbon river robin robot rooster ruby saffron sailor salad salmon sandal sapphire satchel
satellite sauce scarab scarf school scissors scooter shadow sheriff shovel silver siren skate sketch skunk sled snail soccer sofa soldier sombrero
spider spinach sponge squirrel stadium statue storm sugar summer sunset swallow sweater syrup tablet tadpole tangerine teacher teapot temple tennis
thunder ticket tiger timber toaster tomato tornado tortoise towel tractor train treasure trellis triangle trophy trumpet tulip tundra tunnel turkey
turtle tuxedo twig ukulele umbrella uncle unicorn uniform urchin vacuum vanilla vase velvet venom vessel viking village vinegar vineyard violin
volcano voyage vulture waffle wagon walnut walrus whale wheat whistle window winter wolf wombat wrench wrist yacht yak yogurt zebra zeppelin zigzag
zinc zipper
`;
