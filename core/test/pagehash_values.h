/* { factor, add, seed, low, high }: XXH3_128bits_withSeed() of xxHash 0.8.1 */
{ 0, 0, 0x0u, 0x93d76fe148c689bau, 0x3ee8dc4f9e7ee495u },
{ 0, 255, 0x0u, 0x074cfac273851dd6u, 0x5d26b21d7e0140bdu },
{ 1, 0, 0x0u, 0xeb4b7c3707879151u, 0x03916578969f7a66u },
{ 7, 3, 0x0u, 0xd7428746842be37eu, 0x1546867423105cd5u },
{ 31, 1, 0x0u, 0x57dca2c3818e7eb9u, 0x9a17c5ab4ccd99f0u },
{ 31, 1, 0x1u, 0x903e5623a01266d3u, 0x45c0bfa7378a7727u },
{ 31, 1, 0xdeadbeefcafef00du, 0x1620b170a2954afbu, 0xc726493024e91a9fu },
{ 0, 0, 0xffffffffffffffffu, 0x02bf7f02d5c3ea3eu, 0x3373c382dd582bdbu },
