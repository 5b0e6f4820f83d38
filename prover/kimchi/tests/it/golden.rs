//! Values of our own, pinned once upstream's proofs were accepted with them.

use ark_ff::PrimeField;
use kimchi::{Fixture, Instance, PartialVerification, Statement, decode_fixture};
use mina_curves::{PallasConfig, PastaCurve, VestaConfig};

use crate::vectors::files;

fn hex(x: impl PrimeField) -> String {
    let digits: Vec<String> =
        x.into_bigint().as_ref().iter().rev().map(|limb| format!("{limb:016x}")).collect();
    digits.concat()
}

fn statement(file: &str) -> Statement<VestaConfig> {
    let (_, bytes) = files().into_iter().find(|(name, _)| name == file).unwrap();
    match decode_fixture(&bytes).unwrap() {
        Fixture::Vesta(statement) => statement,
        Fixture::Pallas(_) => panic!("{file} is over Vesta"),
    }
}

#[test]
fn group_map() {
    let images = |t: u64| {
        let (x, y) = PallasConfig::group_map().to_group(t.into());
        let (u, v) = VestaConfig::group_map().to_group(t.into());
        [hex(x), hex(y), hex(u), hex(v)]
    };
    assert_eq!(images(0), GROUP_MAP_0);
    assert_eq!(images(12345), GROUP_MAP_12345);
}

#[test]
fn transcripts() {
    for (file, expected) in TRANSCRIPTS {
        let Statement { index, proof, public_input } = &statement(file);
        let partial = PartialVerification::run(&Instance { index, proof, public_input }).unwrap();
        let challenges = partial.challenges;
        let got = [
            hex(index.digest()),
            hex(challenges.beta),
            hex(challenges.alpha),
            hex(challenges.zeta),
            hex(partial.claim.polyscale),
            hex(partial.claim.evalscale),
        ];
        assert_eq!(got, expected, "{file}");
    }
}

const GROUP_MAP_0: [&str; 4] = [
    "12ccca834acdba712caad5dc57aab1b01d1f8bd237ad31491dad5ebdfdfe4ab9",
    "248b4a5cf5ed6c83ac20560f9c8711ab92e13d27d60fb1aa7f5db6c93512d546",
    "06819a58283e528e511db4d81cf70f5a0fed467d47c033af2aa9d2e050aa0e4f",
    "1943666ea922ae6b13b64e3aae89754cacce3a7f298ba20c4e4389b9b0276a62",
];

const GROUP_MAP_12345: [&str; 4] = [
    "3710a72cf214164c3660bc3b0297da7ffd6fd4069b12a6c248a0abac68c64641",
    "295084e5cc88295d11965d6d1f938708019ed4f477af6aba03f1e67129348241",
    "38c1b783554ae6ba6d490fd862413cb235c3df9b020c21efd73637c5f958a02f",
    "01ce4e077caca88437ccd596ed6b1f1146840ef0ec0251dbba9d6e796f6be186",
];

/// Index digest, β, α, ζ, ξ and r.
const TRANSCRIPTS: [(&str, [&str; 6]); 2] = [
    (
        "test_generic_gate_pub.bin",
        [
            "34edc8fdb9fd0cffa6670a2c4dcd086232c1e9e1244a99bf3ab237b1f082249f",
            "0000000000000000000000000000000049a76b5871ac68b029c33914abf4979b",
            "2bc722a8cece94913d0604c9bff2eb704bb5213b40f091710467ada0824b10fa",
            "270fb5eb9334d25ea552cc9eb348551a86abb645ab18ac7106902e93f9150df1",
            "08fd3a8e7af0d809f5b6ca2e6dc371e6b6539d1886ff6b020a3b0d042b2b6e7c",
            "2853574958cb765fe0da51e560fcf29e7c00e3f7853e9864b6b20a0e3e353268",
        ],
    ),
    (
        "test_runtime_table.bin",
        [
            "0eb1f0776cb8357b4c7c03626503f879d5d95a84eb3ef46ed03d6e30f43e8b2a",
            "00000000000000000000000000000000859f68aece9ff29d8bc020430694d520",
            "1d8eabfc6b6b9a5381aa81ad96665b97c27465d37cbc65be727663b50971ec73",
            "1bf907143793fee9df52bc5218d357627acb38356329c350580b38bc3845f5e6",
            "00ef59805d1ddc93bf8b26256c69498fe9483033b959547c6fd3d8296e2e5605",
            "11285cfa55f9d4e307da96587ae48a5e5d18e01c230a4597061de742a09cc426",
        ],
    ),
];
