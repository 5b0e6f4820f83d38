//! o1-labs' own software, in Node processes that all tests share.
//!
//! Needs Node and the packages of `tests/interop` (`npm install` there).

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

use ark_ec::AffineRepr;
use ark_serialize::CanonicalSerialize;
use kimchi::{AtPoints, CircuitCurve, Proof, VerifierIndex};
use mina_curves::Point;
use poly_commitment::Commitment;
use serde_json::{Value, json};

/// The Node process, one request a line.
#[derive(Debug)]
struct Process {
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Sends `message` to the script, which is started once, and gives its answer.
fn ask(process: &OnceLock<Mutex<Process>>, script: &str, message: &Value) -> Value {
    let process = process.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("interop");
        let mut child = Command::new("node")
            .arg(script)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs; `npm install` in tests/interop installs what it needs");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Mutex::new(Process { _child: child, input, output })
    });
    let mut process = process.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(process.input, "{message}").expect("node reads");
    process.input.flush().expect("node reads");
    let mut line = String::new();
    process.output.read_line(&mut line).expect("node answers");
    serde_json::from_str(&line).expect("node answers in JSON")
}

/// Asks `pickles.mjs`, which says what requests there are.
///
/// # Errors
///
/// What o1js says if it throws.
pub fn pickles(request: &str, argument: &Value) -> Result<Value, String> {
    static PROCESS: OnceLock<Mutex<Process>> = OnceLock::new();
    let message = json!({ "request": request, "argument": argument });
    let mut answer = ask(&PROCESS, "pickles.mjs", &message);
    match answer["error"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => Ok(answer["result"].take()),
    }
}

/// Whether o1-labs' verifier accepts `proof`.
///
/// # Errors
///
/// What their software says if it cannot even read the proof.
pub fn verify_kimchi<C: CircuitCurve>(
    index: &VerifierIndex<C>,
    proof: &Proof<C>,
    public_input: &[C::ScalarField],
) -> Result<bool, String> {
    static PROCESS: OnceLock<Mutex<Process>> = OnceLock::new();
    let message = json!({
        "curve": C::NAME,
        "srsSize": index.max_poly_size,
        "index": index_json(index),
        "proof": proof_json(proof),
        "publicInput": fields(public_input),
    });
    let answer = ask(&PROCESS, "kimchi.mjs", &message);
    match (answer["ok"].as_bool(), answer["error"].as_str()) {
        (Some(ok), _) => Ok(ok),
        (None, error) => Err(error.unwrap_or("no answer").into()),
    }
}

fn field(x: &impl CanonicalSerialize) -> String {
    let mut bytes = Vec::new();
    x.serialize_compressed(&mut bytes).expect("memory can be written");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn fields(xs: &[impl CanonicalSerialize]) -> Vec<String> {
    xs.iter().map(field).collect()
}

fn point<C: CircuitCurve>(point: &Point<C>) -> Value {
    point.xy().map_or(Value::Null, |(x, y)| json!([field(&x), field(&y)]))
}

fn commitment<C: CircuitCurve>(commitment: &Commitment<C>) -> Value {
    commitment.chunks.iter().map(point).collect()
}

fn commitments<C: CircuitCurve>(commitments: &[Commitment<C>]) -> Value {
    commitments.iter().map(commitment).collect()
}

fn at<F: CanonicalSerialize>(at: &AtPoints<Vec<F>>) -> Value {
    json!({ "zeta": fields(&at.zeta), "zetaOmega": fields(&at.zeta_omega) })
}

fn index_json<C: CircuitCurve>(index: &VerifierIndex<C>) -> Value {
    json!({
        "logSize": index.domain.log_size(),
        "generator": field(&index.domain.generator()),
        "public": index.public,
        "previous": index.previous,
        "zkRows": index.zk_rows,
        "sigma": commitments(&index.sigma),
        "coefficients": commitments(&index.coefficients),
        "selectors": commitments(&index.selectors),
        "shifts": fields(&index.shifts),
    })
}

fn proof_json<C: CircuitCurve>(proof: &Proof<C>) -> Value {
    let evaluations = &proof.evaluations;
    let all = |list: &[AtPoints<Vec<C::ScalarField>>]| list.iter().map(at).collect::<Value>();
    let previous = |previous: &kimchi::RecursionChallenge<C>| {
        json!({
            "challenges": fields(&previous.challenges),
            "commitment": commitment(&previous.commitment),
        })
    };
    json!({
        "witness": commitments(&proof.commitments.witness),
        "permutation": commitment(&proof.commitments.permutation),
        "quotient": commitment(&proof.commitments.quotient),
        "opening": {
            "lr": proof.opening.lr.iter().map(|(l, r)| json!([point(l), point(r)])).collect::<Value>(),
            "delta": point(&proof.opening.delta),
            "z1": field(&proof.opening.z1),
            "z2": field(&proof.opening.z2),
            "sg": point(&proof.opening.sg),
        },
        "evaluations": {
            "public": evaluations.public.as_ref().map(at),
            "witness": all(&evaluations.witness),
            "permutation": at(&evaluations.permutation),
            "sigma": all(&evaluations.sigma),
            "coefficients": all(&evaluations.coefficients),
            "selectors": all(&evaluations.selectors),
        },
        "ftZetaOmega": field(&proof.ft_zeta_omega),
        "previous": proof.previous.iter().map(previous).collect::<Value>(),
    })
}
