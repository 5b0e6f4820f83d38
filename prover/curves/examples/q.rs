use mina_curves::*; use std::time::Instant; use ark_ff::*;
fn main(){
 let mds=[[Fp::from(3u64).inverse().unwrap();3];3]; let c=vec![[Fp::from(7u64).inverse().unwrap();3];55];
 let r=PoseidonRounds{mds:&mds,initial:None,constants:&c,seventh_power:true};
 for b in [LaneBackend::Scalar, LaneBackend::Avx2] {
  let mut s=vec![[Fp::from(9u64).inverse().unwrap();3];1024];
  let mut best=1e9f64; for _ in 0..10 { let t=Instant::now(); poseidon_many(b,r,&mut s); best=best.min(t.elapsed().as_secs_f64()); }
  println!("{:?} {:.2} us/perm {:?}", b, best*1e6/1024., s[1000][0].to_limbs()[0]);
 }
}
