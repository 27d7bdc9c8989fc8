import COpenBLAS
import Kernels

/// A step's matrix products by themselves, whole and straight through OpenBLAS.
final class Replay {
  private let calls: [ProductCall]
  private let a: UnsafeMutableBufferPointer<Float>
  private let b: UnsafeMutableBufferPointer<Float>
  private let out: UnsafeMutableBufferPointer<Float>

  /// FLOPs of one replay.
  let flops: Int

  init(_ calls: [ProductCall]) {
    func room(_ count: (ProductSize) -> Int) -> UnsafeMutableBufferPointer<Float> {
      let memory = UnsafeMutableBufferPointer<Float>.allocate(
        capacity: max(1, calls.map { count($0.size) }.max() ?? 1))
      for index in memory.indices {
        memory.initializeElement(at: index, to: Float(index % 251) / 251 - 0.5)
      }
      return memory
    }
    self.calls = calls
    a = room { $0.m * $0.k }
    b = room { $0.k * $0.n }
    out = room { $0.m * $0.n }
    flops = calls.reduce(0) { $0 + $1.size.flops }
  }

  deinit {
    a.deallocate()
    b.deallocate()
    out.deallocate()
  }

  /// Makes every product once.
  func run() {
    for call in calls {
      let size = call.size
      sluice_sgemm(
        call.turnsA ? 1 : 0, call.turnsB ? 1 : 0, Int32(size.m), Int32(size.n), Int32(size.k), 1,
        a.baseAddress, Int32(call.turnsA ? size.m : size.k), b.baseAddress,
        Int32(call.turnsB ? size.k : size.n), call.accumulates ? 1 : 0, out.baseAddress,
        Int32(size.n))
    }
  }
}
