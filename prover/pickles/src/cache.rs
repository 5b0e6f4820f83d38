//! Keys on disk: what compiling computes again and again.
//!
//! A file holds points of a curve: the commitments of one circuit, named by the circuit's digest, or
//! a Lagrange basis, named by its sizes. It begins with a version and ends with a checksum of all
//! before; whatever does not read as exactly the points asked for is computed again and written
//! anew. The checksum is against accidents, not against who can write to the folder: the commitments
//! in it become the program's verification key, so trust it like the program itself.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use ark_ec::AffineRepr;
use blake2::{Blake2b512, Digest};
use kimchi::CircuitCurve;
use mina_curves::{PastaField, Point};

/// The first bytes of every file.
const MAGIC: &[u8; 16] = b"zeko keys v1\0\0\0\0";

/// Bytes of the checksum, and of a point.
const LENGTH: usize = 64;

/// A folder of keys.
#[derive(Clone, Debug)]
pub struct KeyCache {
    folder: PathBuf,
}

impl KeyCache {
    /// Keeps keys in `folder`, which is made when the first is written.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// `zeko/keys` in the user's cache folder, if the environment names one.
    pub fn of_user() -> Option<Self> {
        let folder = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty());
        let cache = folder("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| folder("HOME").map(|home| PathBuf::from(home).join(".cache")));
        cache.map(|cache| Self::new(cache.join("zeko").join("keys")))
    }

    /// The points of this name, or those that `compute` gives, which are then kept. That they cannot
    /// be written is no error: they will be computed again.
    pub(crate) fn get_or_compute<C: CircuitCurve>(
        &self,
        name: &str,
        count: usize,
        compute: impl FnOnce() -> Vec<Point<C>>,
    ) -> Vec<Point<C>> {
        let path = self.folder.join(format!("{}-{name}.keys", C::NAME));
        if let Some(points) = read::<C>(&path, name, count) {
            return points;
        }
        let points = compute();
        let _ = write(&path, &encode(name, &points));
        points
    }
}

fn encode<C: CircuitCurve>(name: &str, points: &[Point<C>]) -> Vec<u8> {
    let mut bytes = header::<C>(name);
    for point in points {
        // Infinity has no coordinates; (0, 0) is on neither curve.
        let (x, y) = point.xy().unwrap_or_default();
        for limb in x.to_limbs().into_iter().chain(y.to_limbs()) {
            bytes.extend(limb.to_le_bytes());
        }
    }
    let checksum = Blake2b512::digest(&bytes);
    bytes.extend(checksum);
    bytes
}

/// What names the points, so that a file that was renamed is not taken for another.
fn header<C: CircuitCurve>(name: &str) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend(Blake2b512::digest(format!("{}-{name}", C::NAME)));
    header
}

fn read<C: CircuitCurve>(path: &Path, name: &str, count: usize) -> Option<Vec<Point<C>>> {
    let header = header::<C>(name);
    let expected = header.len() + LENGTH * (count + 1);
    if fs::metadata(path).ok()?.len() != expected as u64 {
        return None;
    }
    let bytes = fs::read(path).ok()?;
    let (content, checksum) = bytes.split_at_checked(expected - LENGTH)?;
    if Blake2b512::digest(content).as_slice() != checksum {
        return None;
    }
    let points = content.strip_prefix(header.as_slice())?;
    points.chunks_exact(LENGTH).map(point::<C>).collect()
}

fn point<C: CircuitCurve>(bytes: &[u8]) -> Option<Point<C>> {
    let (limbs, _) = bytes.as_chunks::<8>();
    let limb = |i: usize| limbs.get(i).map(|bytes| u64::from_le_bytes(*bytes));
    let at = |i: usize| Some([limb(i)?, limb(i + 1)?, limb(i + 2)?, limb(i + 3)?]);
    let (x, y) = (C::BaseField::from_limbs(at(0)?)?, C::BaseField::from_limbs(at(4)?)?);
    let point = Point::<C>::new_unchecked(x, y);
    if point == Point::<C>::new_unchecked(Default::default(), Default::default()) {
        return Some(Point::<C>::zero());
    }
    point.is_on_curve().then_some(point)
}

/// Writes beside the file and renames, so that no reader sees half of it.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let part = path.with_extension(format!("{}.part", std::process::id()));
    let mut file = File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)
}

#[cfg(test)]
mod tests {
    use ark_ff::UniformRand;
    use mina_curves::{Pallas, PallasConfig, VestaConfig};
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;

    fn points(seed: u64) -> Vec<Pallas> {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut points: Vec<Pallas> = (0..5).map(|_| Pallas::rand(&mut rng)).collect();
        points[3] = Pallas::zero();
        points
    }

    #[test]
    fn what_was_kept_is_found_and_what_was_damaged_is_not() {
        let folder = std::env::temp_dir().join(format!("zeko-key-cache-{}", std::process::id()));
        let cache = KeyCache::new(&folder);
        let get = |seed: u64| cache.get_or_compute::<PallasConfig>("x", 5, || points(seed));
        assert_eq!(get(1), points(1));
        assert_eq!(get(2), points(1), "kept");

        let path = folder.join("pallas-x.keys");
        let bytes = fs::read(&path).unwrap();
        for place in [0, 20, MAGIC.len() + 64 + 7, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert_eq!(get(3), points(3), "byte {place}");
            fs::write(&path, &bytes).unwrap();
        }
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(get(4), points(4), "cut off");

        // Under another name or curve, or with a valid checksum over what is no point.
        fs::write(folder.join("pallas-y.keys"), &bytes).unwrap();
        assert_eq!(cache.get_or_compute::<PallasConfig>("y", 5, || points(5)), points(5));
        fs::write(folder.join("vesta-x.keys"), &bytes).unwrap();
        assert!(read::<VestaConfig>(&folder.join("vesta-x.keys"), "x", 5).is_none());
        let mut no_point = bytes[..bytes.len() - 64].to_vec();
        no_point[MAGIC.len() + 64] ^= 1;
        let checksum = Blake2b512::digest(&no_point);
        no_point.extend(checksum);
        fs::write(&path, &no_point).unwrap();
        assert!(read::<PallasConfig>(&path, "x", 5).is_none());
        fs::remove_dir_all(&folder).unwrap();
    }
}
