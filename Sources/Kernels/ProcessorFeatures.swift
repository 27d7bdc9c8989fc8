import COpenBLAS

/// The processor features that these kernels were compiled for and this machine lacks.
///
/// The kernels are compiled for x86-64-v3 (AVX2 and FMA), so a program must call this first and
/// refuse to start where the result is not empty: "this processor lacks AVX2". Names are those of
/// the x86-64 psABI's level v3, the source of the bits is the CPUID leaves 1, 7 and 0x80000001.
public func missingProcessorFeatures() -> [String] {
  let basic = sluice_cpuid(1, 0, 2)
  let extended = sluice_cpuid(7, 0, 1)
  let advanced = sluice_cpuid(0x8000_0001, 0, 2)
  var missing: [String] = []
  func require(_ name: String, _ register: UInt32, bit: UInt32) {
    if register & (1 << bit) == 0 { missing.append(name) }
  }
  require("FMA", basic, bit: 12)
  require("MOVBE", basic, bit: 22)
  require("OSXSAVE", basic, bit: 27)
  require("AVX", basic, bit: 28)
  require("F16C", basic, bit: 29)
  require("BMI1", extended, bit: 3)
  require("AVX2", extended, bit: 5)
  require("BMI2", extended, bit: 8)
  require("LZCNT", advanced, bit: 5)
  let savesVectors = basic & (1 << 27) != 0 && sluice_xcr0() & 6 == 6
  if !savesVectors { missing.append("vector registers saved by the operating system") }
  return missing
}
