//! Reads a QR code off the screen.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fantoccini::elements::Element;
use rqrr::PreparedImage;
use serde_json::json;

use super::driver::Browser;

/// The browser itself takes its screenshot apart, into shades of grey.
const GREYS: &str = "
    const [picture, done] = arguments;
    const image = new Image();
    image.onerror = () => done(null);
    image.onload = () => {
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [image.width, image.height];
        const pen = canvas.getContext('2d');
        pen.drawImage(image, 0, 0);
        const { data } = pen.getImageData(0, 0, image.width, image.height);
        const greys = [];
        for (let at = 0; at < data.length; at += 4) greys.push(data[at]);
        done({ width: image.width, greys });
    };
    image.src = 'data:image/png;base64,' + picture;";

/// What the QR code on the picture of `element` says.
pub(super) async fn read(browser: &Browser, element: &Element) -> String {
    let picture = BASE64_STANDARD.encode(element.screenshot().await.unwrap());
    let answer = browser.tab.execute_async(GREYS, vec![json!(picture)]).await.unwrap();
    let greys: Vec<u8> = serde_json::from_value(answer["greys"].clone()).expect("a picture");
    let width = usize::try_from(answer["width"].as_u64().unwrap()).unwrap();
    let height = greys.len() / width;
    let mut image = PreparedImage::prepare_from_greyscale(width, height, |x, y| greys[y * width + x]);
    let codes = image.detect_grids();
    assert_eq!(codes.len(), 1, "one code is on the picture");
    codes[0].decode().expect("it can be read").1
}
