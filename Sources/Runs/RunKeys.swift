import Documents
import Tokens

/// The keys of a run file, in the order in which the reference shows them.
struct RunKeys: KeySet {
  static let counts = 1...(1 << 40)

  let name = Key("name", .string, otherwise: "the file's name", "What the run is called.")
  let model = EitherKey(
    Key(
      "model", .text("name or path of a model"),
      "What is trained: a shipped name, a config.json, or a folder with one."),
    ModelKeys())
  let objective = Key(
    "objective", .choice(RunFile.Objective.self), default: .language,
    "What steps lower: the loss of a text (language), of completions given their prompts "
      + "(demonstrations), or rewards of completions that the model makes itself (grpo).")
  let data = EitherKey(
    Key(
      "data", .text("path"), otherwise: "an error, but with objective grpo",
      "What it is trained on: a text, a token file, rows of tokens, a file of demonstrations."),
    DataKeys())
  let policy = TableKey(
    "grpo", PolicyKeys(), otherwise: "an error with objective grpo",
    "Reinforcement learning: prompts, rewards, and the numbers of the loss.")
  let plan = EitherKey(
    Key(
      "plan", .text("name or path of a plan"),
      "How it is trained; the table has the keys of a plan (sluice plan --keys)."), NoKeys())
  let batchRamp = TableKey(
    "batch-ramp", BatchRampKeys(), otherwise: "the plan's global-batch in every step",
    "A global batch that grows to the plan's.")
  let steps = Key(
    "steps", .text(length), "Optimizer updates in the whole run.",
    otherNames: ["max-steps", "train-iters", "iterations", "tokens", "epochs"])
  let seed = Key(
    "seed", .integer(), default: 0, "From where all chance comes: initial weights, order of data.")
  let optimizer = TableKey(
    "optimizer", OptimizerKeys(), otherwise: "every default below", "AdamW's numbers.")
  let learningRate = EitherKey(
    Key(
      "learning-rate", .number(in: LearningRateKeys.rates), "The rate of every step.",
      otherNames: ["lr"]),
    LearningRateKeys())
  let evaluation = TableKey(
    "evaluation", EvaluationKeys(), otherwise: "nothing is evaluated",
    "When and on how much the model is evaluated; the last step is always followed by it.")
  let checkpoints = TableKey(
    "checkpoints", CheckpointKeys(), otherwise: "none is written",
    "When and where checkpoints are written; the last step is always followed by one.")
  let recovery = TableKey(
    "recovery", RecoveryKeys(), otherwise: "every default below",
    "How the run is kept going where something fails, for sluice forecast; training does not read it."
  )
  let log = TableKey("log", LogKeys(), otherwise: "every default below", "Where numbers go.")
  let phases = TableKey(
    phasesName, RunPhaseKeys(), list: true, otherwise: "one phase, as the other keys describe it",
    "Phases one behind the other, each with a name and with values of the keys above in place of those "
      + "that stand beside the list; a later one starts from the last checkpoint of the one before."
  )

  static let phasesName = "phases"

  /// A length in words, for the reference.
  static let length = "length such as 2000 or 10B tokens (K, M, B, T)"
}

/// The keys of a phase that are not those of a run.
struct RunPhaseKeys: KeySet {
  let name = Key(
    "name", .string,
    "What the phase is called: within checkpoints.folder a folder of this name is its own, and its logs "
      + "have the name before their last point.")
}

/// The keys of a table that another reference describes.
struct NoKeys: KeySet {}

/// The keys of `model` as a table.
struct ModelKeys: KeySet {
  private static let weights = 0.0...1e6

  let configuration = Key(
    "config", .text("name or path of a model"), otherwise: "the checkpoint's own",
    "A shipped name, a config.json, or a folder with one.")
  let checkpoint = Key(
    "checkpoint", .text("path of a folder"), otherwise: "weights are random",
    "Weights to start from, in safetensors.")
  // DeepSeek-V3's own values where the model has the part (arXiv 2412.19437 section 4.2).
  let multiTokenPrediction = EitherKey(
    Key(
      "multi-token-prediction", .number(in: weights), otherwise: "0.3 with prediction modules",
      "The weight of the loss of prediction modules; 0 leaves them out.", otherNames: ["mtp"]),
    PieceKeys(), list: true)
  let balanceLoss = Key(
    "balance-loss", .number(in: weights),
    otherwise: "1e-4 with a router's bias, else what the model's file asks for",
    "The weight of the sequence-wise balance loss of routers.")
  let biasSpeed = EitherKey(
    Key(
      "bias-speed", .number(in: weights), otherwise: "1e-3 with a router's bias",
      "How far a router's correction bias moves in a step."),
    PieceKeys(), list: true)
}

/// The keys of a value that holds until a length.
struct PieceKeys: KeySet {
  let value = Key("value", .number(in: 0...1e6), "The value.")
  let until = Key("until", .text(RunKeys.length), otherwise: "to the end", "Where it ends.")
}

/// The keys of `data` as a table.
struct DataKeys: KeySet {
  let training = Key(
    "training",
    Expected.text("path").map { [$0] }.or(list: .list(of: .text("path"), count: 1...100_000)),
    "The data; several texts stand one behind the other.")
  let weights = Key(
    "weights", .list(of: .number(in: 1e-6...1e6), count: 1...100_000),
    otherwise: "every line alike",
    "How often the demonstrations of each file are taken, beside those of the others.")
  let form = Key(
    "form", .choice(TokenData.Form.self), default: .automatic,
    "auto: by the name, .bin being tokens, .json rows of tokens, anything else text.")
  let width = Key(
    "type", .choice(TokenFile.Width.self), otherwise: "what stands beside the file",
    "The numbers of a token file.", otherNames: ["width"])
  let tokenizer = Key(
    "tokenizer", .text("bytes, or path of a tokenizer.json"),
    otherwise: "the token file's or the model's, else bytes", "What makes tokens of text.")
  let holdOut = Key(
    "hold-out", .number(in: 0...0.9), default: 0,
    "The share at the end that is kept for evaluation.", otherNames: ["validation-split"])
  let evaluation = Key(
    "evaluation", .text("path"), otherwise: "hold-out",
    "Data of its own for evaluation, instead of hold-out.", otherNames: ["validation"])
}

/// The keys of `batch-ramp`.
struct BatchRampKeys: KeySet {
  let first = Key(
    "from", .integer(in: 1...(1 << 30)), "The first global batch, at most the plan's.")
  let increment = Key("increment", .integer(in: 1...(1 << 30)), "What is added each time.")
  let over = Key(
    "over", .text("length such as 4000 sequences or 469B tokens"), "How long the batch grows.")
}

/// The keys of `optimizer`.
struct OptimizerKeys: KeySet {
  let betas = Key(
    "betas", .list(of: .number(in: 0...0.999_999_9), count: 2...2), default: [0.9, 0.95],
    "How much of each moment stays.")
  let epsilon = Key(
    "epsilon", .number(in: 1e-30...1), default: 1e-8, "What is added to the second root.")
  let weightDecay = Key(
    "weight-decay", .number(in: 0...10), default: 0.1, "Decoupled decay, times the rate.")
  let decay = Key(
    "decay", .choice(RunFile.OptimizerSettings.Decay.self), default: .matrices,
    "Which parameters decay: all, or those of two dimensions.")
  let clip = Key(
    "clip", .number(in: 0...1e9), default: 1,
    "The norm that gradients are scaled down to; 0 leaves them.",
    otherNames: ["clip-grad", "max-grad-norm", "gradient-clipping"])
}

/// The keys of `learning-rate` as a table: a named schedule with its peak, or phases.
struct LearningRateKeys: KeySet {
  static let rates = 0.0...1e3

  let schedule = Key(
    "schedule", .choice(RunReader.ScheduleName.self), default: .constant,
    "How the rate moves behind its warm-up.")
  let peak = Key(
    "peak", .number(in: rates), otherwise: "required without phases", "The highest rate.",
    otherNames: ["lr", "max-lr"])
  let warmUp = Key(
    "warm-up", .text(RunKeys.length), otherwise: "0", "How long the rate rises from 0 to its peak.",
    otherNames: ["warmup", "warmup-steps", "lr-warmup-iters"])
  let until = Key(
    "until", .text(RunKeys.length), otherwise: "the end of the run", "Where a cosine ends.",
    otherNames: ["lr-decay-iters"])
  let final = Key(
    "final", .number(in: rates), otherwise: "a tenth of the peak", "The rate at a cosine's end.",
    otherNames: ["min-lr"])
  let phases = TableKey(
    "phases", PhaseKeys(), list: true, otherwise: "schedule and peak",
    "Rates one behind the other, instead of a schedule.")
}

/// The keys of a phase of learning rates.
struct PhaseKeys: KeySet {
  let until = Key("until", .text(RunKeys.length), otherwise: "to the end", "Where it ends.")
  let from = Key(
    "from", .number(in: LearningRateKeys.rates), otherwise: "the last phase's to, else to",
    "The rate at its beginning.")
  let to = Key("to", .number(in: LearningRateKeys.rates), "The rate at its end.")
  let shape = Key(
    "shape", .choice(LearningRate.Shape.self), default: .linear, "How the rate moves between.")
}

/// The keys of `evaluation`.
struct EvaluationKeys: KeySet {
  let every = Key("every", .integer(in: RunKeys.counts), "Steps between two evaluations.")
  let sequences = Key(
    "sequences", .integer(in: RunKeys.counts), otherwise: "all",
    "Sequences of the evaluation data that are used, from its beginning.")
}

/// The keys of `checkpoints`.
struct CheckpointKeys: KeySet {
  let folder = Key("folder", .text("path of a folder"), "Where they are written.")
  let every = Key("every", .integer(in: RunKeys.counts), "Steps between two checkpoints.")
  let keep = Key("keep", .integer(in: 1...1_000_000), default: 2, "How many of them stay.")
  let asynchronous = Key(
    "asynchronous", .boolean, default: false,
    "They are copied between two steps and written while the next ones run; takes memory for a copy of "
      + "weights and moments.", otherNames: ["async", "async-save"])
}

/// The keys of `log`.
struct LogKeys: KeySet {
  let file = Key("file", .text("path of a file"), otherwise: "none", "One JSON object a line.")
  let every = Key(
    "every", .integer(in: RunKeys.counts), default: 1,
    "Steps between two lines of the file, and of the event file.")
  let tensorboard = Key(
    "tensorboard", .text("path of a folder"), otherwise: "none",
    "A folder in which an event file of TensorBoard grows, with the numbers of the same steps.",
    otherNames: ["tensorboard-dir", "events"])
  let samples = Key(
    "samples", .text("path of a file"), otherwise: "none",
    "With objective grpo, the completions of the first prompt of every rollout with their rewards, one "
      + "JSON object a line.")
}

extension RunFile {
  /// Everything that a run file may say.
  public static var keyReference: KeyReference {
    KeyReference(
      "a run",
      "A run file says what is trained on what, how, and for how long: YAML or JSON. On the command "
        + "line: --set KEY=VALUE.",
      RunKeys().entries)
  }
}
