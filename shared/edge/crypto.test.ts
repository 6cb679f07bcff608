import { cryptoContract } from "../sim/contracts/crypto-contract.ts";
import { realCrypto } from "./crypto.ts";

cryptoContract("real", realCrypto);
