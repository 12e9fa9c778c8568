#![allow(clippy::unwrap_used)]
use super::*;
#[test]
fn contact_sheet() {
    for dataset in [Dataset::Cifar10, Dataset::Cifar100] {
        let t = std::time::Instant::now();
        let (train, _) = generate(dataset);
        eprintln!("{dataset} {:?}", t.elapsed());
        let (cols, rows, z) = (20, 14, 3);
        let mut sheet = image::RgbImage::new(cols * 34 * z, rows * 34 * z);
        for k in 0..cols * rows {
            let im = train.image(if dataset == Dataset::Cifar10 {
                k as usize
            } else {
                k as usize
            });
            for p in 0..32 * 32 * z * z {
                let (x, y) = (p % (32 * z), p / (32 * z));
                let s = ((y / z) * 32 + x / z) as usize * 3;
                sheet.put_pixel(
                    (k % cols) * 34 * z + x,
                    (k / cols) * 34 * z + y,
                    image::Rgb([im[s], im[s + 1], im[s + 2]]),
                );
            }
        }
        sheet.save(format!("/tmp/sheet_{dataset}.png")).unwrap();
    }
}
