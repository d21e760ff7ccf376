/** Sockets that no kind claims are named by their family, also those that this kernel cannot make. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AF } from '../../src/kernel/sockets.ts';
import { nameSocket } from '../../src/resources/socket/names.ts';

const names = suite('names of sockets');
for (const [family, why, remedy] of [
  [AF.ALG, /kernel crypto \(AF_ALG\)/u, /close it before the dump/u],
  [AF.VSOCK, /virtual machine \(AF_VSOCK\)/u, /close it before the dump/u],
  [AF.XDP, /AF_XDP/u, /close it before the dump/u],
  [AF.SMC, /AF_SMC/u, /TCP/u],
  [77, /family 77/u, undefined],
] as const) {
  names(`family ${family}`, () => {
    const said = nameSocket({ family, type: 1, protocol: 0, foreign: false });
    assert.match(said.why, why);
    if (remedy === undefined) assert.is(said.remedy, undefined);
    else assert.match(said.remedy ?? '', remedy);
  });
}
names.run();
