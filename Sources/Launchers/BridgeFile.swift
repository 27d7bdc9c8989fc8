import Documents
import Models

/// Configurations of Megatron-Bridge and NeMo: a YAML with the fields of their dataclasses, or the text of a
/// recipe, which is read and never carried out.
enum BridgeFile {
  /// The fields of a section that mean something else than Megatron's options of the same name.
  private static let names: [String: String] = [
    "trainer.devices": "nproc-per-node", "trainer.num_nodes": "nnodes",
    "model.activations_checkpoint_granularity": "recompute-granularity",
    "model.activations_checkpoint_method": "recompute-method",
    "model.activations_checkpoint_num_layers": "recompute-num-layers",
    "model.rotary_percentage": "rotary-percent", "model.ub_tp_comm_overlap": "tp-comm-overlap",
    "model.bias": "add-bias-linear", "model.num_moe_experts": "num-experts",
    "model.encoder_seq_length": "seq-length", "dataset.sequence_length": "seq-length",
    "dataset.seq_length": "seq-length", "dataset.seq_len": "seq-length",
    "model.should_pad_vocab": "pad-vocab-size", "model.qkv_bias": "add-qkv-bias",
    "model.hidden_dropout": "hidden-dropout", "model.attention_dropout": "attention-dropout",
  ]

  /// Sections whose fields are not Megatron's options, by what they are about.
  private static let sections: [String: String] = [
    "scheduler": "the learning rate", "logger": "logging", "checkpoint": "checkpoints",
    "profiling": "profiling", "rng": "chance", "rerun_state_machine": "checks",
    "straggler": "diagnosis", "nvrx_straggler": "diagnosis", "ft": "restarts",
    "inprocess_restart": "restarts", "validation": "evaluation", "exp_manager": "logging",
    "env_vars": "the launch", "tensor_inspect": "diagnosis", "dataset": "data", "peft": "adapters",
  ]

  /// The options in a table of YAML, behind its references.
  static func options(
    _ document: Document, file: String, _ use: ImportUse
  ) throws(ConfigurationError) -> [GivenOption] {
    var options: [GivenOption] = []
    for value in try YAMLReferences.values(of: document, file: file, use) {
      let parts = value.path.split(separator: ".").map(String.init)
      // A function or a type: `activation_func: {_target_: torch.nn.functional.silu}`.
      if parts.last == "_call_" || parts.last == "_args_" || parts.last == "_partial_" { continue }
      if parts.last == "_target_" {
        guard parts.count > 2 else { continue }
        add(Array(parts.dropLast()), value, file, to: &options)
      } else {
        add(parts, value, file, to: &options)
      }
    }
    return ordered(synchronised(options))
  }

  private static func add(
    _ parts: [String], _ value: YAMLReferences.Value, _ file: String,
    to options: inout [GivenOption]
  ) {
    let text = value.text
    let path = parts.joined(separator: ".")
    let field = parts.last ?? path
    let known = names[path] ?? NeMoKeys.names[path]
    let spelling = known ?? field
    var (name, values) = MegatronOptions.canonical(spelling, [text])
    switch path {
    case "trainer.precision": (name, values) = ("mixed-precision", [text])
    case "model.normalization": values = [normalization(text)]
    case "model.activation": (name, values) = activation(text)
    case "model.fp8":
      (name, values) =
        text.lowercased() == "true"
        ? ("fp8-format", ["e4m3"]) : MegatronOptions.canonical("fp8", [text])
    case "model.optim.name": (name, values) = optimizer(text)
    case "model.optim.grad_sync_dtype" where !GivenOptions.isNothing(text):
      (name, values) = ("grad-reduce-in-bf16", [text.hasPrefix("bf") ? "true" : "false"])
    case _ where known == nil && NeMoKeys.reason(of: path, text) != nil: name = path
    default:
      if sections[parts[0]] != nil || parts.starts(with: ["model", "optim"])
        || parts.starts(with: ["model", "data"]), known == nil
      {
        name = path
      } else if parts.count == 1, MegatronOptions.reason(of: name) == nil,
        !MegatronOptions.read.contains(name)
      {
        name = path
      }
    }
    options.append(
      GivenOption(
        name: name, spelling: path, values: values, file: file, line: value.line,
        written: value.written))
  }

  private static func normalization(_ text: String) -> String {
    switch text.lowercased() {
    case "rmsnorm": "RMSNorm"
    case "layernorm", "layernorm1p": "LayerNorm"
    default: text
    }
  }

  private static func activation(_ text: String) -> (String, [String]) {
    switch text {
    case "swiglu", "fast-swiglu": ("swiglu", ["true"])
    case "squared-relu": ("squared-relu", ["true"])
    case "geglu", "fast-geglu": ("quick-geglu", ["true"])
    default: ("activation-func", [text])
    }
  }

  private static func optimizer(_ text: String) -> (String, [String]) {
    text.contains("distributed") ? ("use-distributed-optimizer", ["true"]) : ("optimizer", [text])
  }

  /// Sections that go before others come last, as the last of a name counts; nothing goes before something.
  private static func ordered(_ options: [GivenOption]) -> [GivenOption] {
    func rank(_ option: GivenOption) -> Int {
      if option.values.allSatisfy(GivenOptions.isNothing) { return 0 }
      let section = option.spelling.prefix { $0 != "." }
      return section == "mixed_precision" ? 2 : section == "comm_overlap" ? 3 : 1
    }
    return options.enumerated().sorted {
      (rank($0.element), $0.offset) < (rank($1.element), $1.offset)
    }.map(\.element)
  }

  /// Whether the outermost keys of a table are those of such a file.
  static func isLikely(_ keys: [String]) -> Bool {
    keys.contains("model")
      && !Set(keys).isDisjoint(with: ["train", "ddp", "trainer", "optimizer", "dist"])
      || keys == ["model"]
  }

  /// Adds what these launchers do where nothing is said, and turns the name of a precision into its parts.
  static func complete(_ given: GivenOptions, isRecipe: Bool) throws(ConfigurationError) {
    if let name = try given.text("mixed-precision") {
      try BridgePrecision.add(name, to: given)
      given.explain("mixed-precision", "precision: \(name)")
    }
    for (name, (values, what)) in NeMoKeys.fixed.sorted(by: { $0.key < $1.key }) {
      guard let text = try given.text(name)?.lowercased(), !values.contains(text) else { continue }
      // NeMo looks there for Falcon alone.
      let isOwn = name.hasPrefix("model.mcore_customization_config.")
      if isOwn, given.option("model.name")?.text.contains("falcon") != true { continue }
      throw given.error(name, "asks for \(what), which no model or plan of sluice describes")
    }
    for option in given.unexplained {
      if let (sense, meaning) = NeMoKeys.reason(of: option.name, option.text) {
        given.explain(option.name, as: sense, meaning)
        continue
      }
      let section = String(option.name.prefix { $0 != "." })
      guard option.name.contains(".") || sections[option.name] != nil,
        let what = sections[section] ?? (section == "model" ? "data" : nil)
      else { continue }
      if section == "peft", !GivenOptions.isNothing(option.text) {
        throw given.error(option.name, "adapters are not read: write the plan's lora")
      }
      given.explain(option.name, as: .costless, what)
    }
    if isRecipe {
      if try given.flag("overlap-grad-reduce") == false {
        given.addDefault("overlap-param-gather", "false")
      }
      for (name, value) in [
        ("use-distributed-optimizer", "true"), ("overlap-grad-reduce", "true"),
        ("overlap-param-gather", "true"), ("bf16", "true"), ("hidden-dropout", "0.0"),
        ("attention-dropout", "0.0"), ("cross-entropy-loss-fusion", "true"),
        ("moe-token-dispatcher-type", "alltoall"),
      ] { given.addDefault(name, value) }
    }
  }
}
