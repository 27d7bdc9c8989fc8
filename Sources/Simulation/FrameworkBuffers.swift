import Clusters
import Plans
import Programs

/// A buffer, or several of one kind, that a framework holds for a whole run beside the layers' own.
public struct FrameworkBuffer: Hashable, Sendable {
  public var name: String
  public var bytes: Int
}

extension FrameworkBuffer {
  /// What a rank with these stages holds.
  static func all(_ input: StepInput, stages: [Int], _ device: Device) -> [FrameworkBuffer] {
    switch input.plan.framework {
    case .plain: []
    case .torchtitan, .llmFoundry, .megatronLocal:
      [FrameworkBuffer(name: "workspaces of products", bytes: ofPyTorch(device))]
    case .nanotron:
      [
        FrameworkBuffer(name: "workspaces of products", bytes: ofPyTorch(device)),
        FrameworkBuffer(name: "buckets of data ranks", bytes: buckets(input, stages)),
      ].filter { $0.bytes > 0 }
    case .megatronLM:
      [
        FrameworkBuffer(
          name: "dummy weight gradients",
          bytes: input.plan.fusesGradientSums ? dummyGradients(input, stages) : 0),
        FrameworkBuffer(name: "workspaces of products", bytes: workspaces(input, stages, device)),
      ].filter { $0.bytes > 0 }
    }
  }

  /// PyTorch's DistributedDataParallel has room for every gradient in the format of its parameter, in buckets that are
  /// no views of them (2.8, `torch/nn/parallel/distributed.py`, `gradient_as_bucket_view`; nanotron 67c5ebb6,
  /// `trainer.py`, leaves that at false); nothing where there is one replica.
  private static func buckets(_ input: StepInput, _ stages: [Int]) -> Int {
    guard input.plan.dataParallel > 1 else { return 0 }
    let format = Recipe(input.plan.precision).activation
    return stages.reduce(0) { sum, stage in
      input.stages[stage].parameters.reduce(sum) {
        $1.isTrained ? $0 + $1.rows * format.bytes(columns: $1.columns) : $0
      }
    }
  }

  /// Weight products add to the main gradients; for autograd there is a buffer in place of a gradient, one for
  /// each shape of a weight, an expert's among them.
  ///
  /// Source: TransformerEngine d0067d0, `pytorch/module/base.py`, `get_dummy_wgrad`; the head has its own
  /// from there (Megatron-LM d98e8a6, `core/tensor_parallel/layers.py`).
  private static func dummyGradients(_ input: StepInput, _ stages: [Int]) -> Int {
    struct Shape: Hashable {
      var rows: Int
      var columns: Int
    }
    var shapes: Set<Shape> = []
    for operation in stages.flatMap({ input.stages[$0].backward.operations }) {
      switch operation.kernel {
      case .matmul(let product), .groupedMatmul(let product, _):
        guard product.pass == .backwardWeight else { continue }
        shapes.insert(Shape(rows: product.n, columns: product.k))
      default: continue
      }
    }
    let format = Recipe(input.plan.precision).activation
    return shapes.reduce(0) { $0 + $1.rows * format.bytes(columns: $1.columns) }
  }

  /// Transformer Engine's workspace, larger from Hopper on, one for each of 4 streams more where experts' products
  /// are grouped (TransformerEngine d0067d0, `pytorch/cpp_extensions/gemm.py`, `get_cublas_workspace_size_bytes`,
  /// `get_num_cublas_streams`), and PyTorch's own, which multiplies the head.
  private static func workspaces(_ input: StepInput, _ stages: [Int], _ device: Device) -> Int {
    let ofEngine = capability(device) >= 9 ? 32 << 20 + 1024 : 4 << 20
    let groups = stages.contains { stage in
      input.stages[stage].forward.operations.contains { operation in
        if case .groupedMatmul = operation.kernel { true } else { false }
      }
    }
    return ofEngine * (groups ? 5 : 1) + ofPyTorch(device)
  }

  /// One for each thread that multiplies: that of the forward, and autograd's of the backward.
  ///
  /// A handle belongs to a thread, and a workspace to a handle and a stream; it is larger on Hopper alone
  /// (PyTorch 2.8, `aten/src/ATen/cuda/CublasHandlePool.cpp`, `parseChosenWorkspaceSize`).
  private static func ofPyTorch(_ device: Device) -> Int {
    2 * (capability(device) == 9 ? 32 << 20 : 2 * 4096 << 10 + 8 * 16 << 10)
  }

  private static func capability(_ device: Device) -> Double {
    device.computeCapability?.value ?? (device.peak(.fp8) != nil ? 9 : 8)
  }
}
