//! Which functions have one canonical form.

use super::parsed;

/// Each pair is the same function by school algebra and the documented rules.
#[test]
fn equal_functions_have_one_form() {
    for (a, b) in [
        ("x+0", "x"),
        ("x*1", "x"),
        ("x*0", "0"),
        ("x-x", "0"),
        ("--x", "x"),
        ("x-sin(x)", "x+(-sin(x))"),
        ("-(x-sin(x))", "sin(x)-x"),
        ("x+x", "2*x"),
        ("1+x+2", "x+3"),
        ("sin(x)+cos(x)+x", "x+(cos(x)+sin(x))"),
        ("sin(x)*(cos(x)*x)", "x*sin(x)*cos(x)"),
        ("max(x,max(sin(x),cos(x)))", "max(max(cos(x),x),sin(x))"),
        ("max(x,x)", "x"),
        ("max(x,min(x,sin(x)))", "x"),
        ("max(exp(x),0)", "exp(x)"),
        ("relu(relu(x))", "relu(x)"),
        ("max(relu(x),sigmoid(x))", "max(x,sigmoid(x))"),
        ("max(x,-x)", "|x|"),
        ("max(x,|x|)", "|x|"),
        ("min(x,-x)", "-|x|"),
        ("min(|x|,x)", "x"),
        ("max(sigmoid(x),min(x,0))", "sigmoid(x)"),
        ("x^2*sinc(-x)", "x*sin(x)"),
        ("abs(abs(x))", "|x|"),
        ("|-x|", "|x|"),
        ("abs(exp(x))", "exp(x)"),
        ("(-x)^2", "x^2"),
        ("(-x)^3", "-x^3"),
        ("|x|^2", "x^2"),
        ("x*x", "x^2"),
        ("x*x*x", "x^3"),
        ("x^2*x^2", "x^4"),
        ("(x^3)^3*x", "x^9*x"),
        ("sqrt(x)*sqrt(x)", "max(x,0)"),
        ("sqrt(x^2)", "|x|"),
        ("x*relu(x)", "relu(x)^2"),
        ("relu(x)*min(x,0)", "0"),
        ("cos(-x)", "cos(x)"),
        ("cos(|x|)", "cos(x)"),
        ("sinc(-x)", "sinc(x)"),
        ("log(|-x|+eps)", "log(|x|)"),
        ("sin(-x)", "-sin(x)"),
        ("tanh(x-beta)", "-tanh(beta-x)"),
        ("atan(-x)*erf(-x)", "atan(x)*erf(x)"),
        ("asinh(-sinh(x))", "-asinh(sinh(x))"),
        ("sigmoid_mul(x,sin(x))", "sigmoid(x)*sin(x)"),
        ("exp(-(x^2))", "gauss(x)"),
        ("exp(-x^2)", "gauss(-x)"),
        ("exp(-(beta*x)^2)", "gauss(beta*x)"),
        ("log(1+exp(x))", "softplus(x)"),
        ("log(exp(x)+1)", "softplus(x)"),
        ("relu(x)+min(x,0)", "x"),
        ("x-relu(x)", "min(x,0)"),
        ("relu(2*x)", "2*relu(x)"),
        ("mix(x,x)", "x"),
        ("mix(sin(x),sin(x))", "sin(x)"),
        ("mix(x,beta)", "beta*x+(1-beta)*beta"),
        ("gauss2(x,x)", "1"),
        ("gauss2(x,sin(x))", "gauss2(sin(x),x)"),
        ("laplace(x,beta)", "exp(-beta*|beta-x|)"),
        ("gauss2(x,0,2)", "exp(-2*x^2)"),
        ("x/(sin(x)+eps)", "x/sin(x)"),
        ("x*sin(x)/cosh(x)", "x/cosh(x)*sin(x)"),
        ("x/2", "0.5*x"),
        ("sin(pi/2)*x", "x"),
        ("exp(x)-1", "expm1(x)"),
        ("max(x,0)+exp(min(x,0))-1", "elu"),
        ("gelu(x)", "gelu"),
        ("silu(sin(x))", "sin(x)*σ(sin(x))"),
        ("β*x", "beta*x"),
        ("x*sigmoid(beta1*x)", "swish"),
        ("beta1*x+beta2*sin(x)", "beta2*x+beta1*sin(x)"),
        ("sigmoid(beta*x)*sigmoid(beta2*x)*x+beta2", "sigmoid(beta2*x)*sigmoid(beta*x)*x+beta"),
        ("beta-beta+x", "x"),
        ("arctan(x)", "atan"),
        ("Max(X, Sigma(X))", "max_x_sigmoid"),
        ("square(x)", "x^2"),
        ("beta_mul(x)", "beta*x"),
        ("beta_add(x)", "x+beta"),
    ] {
        let (p, q) = (parsed(a), parsed(b));
        assert_eq!(p.canonical(), q.canonical(), "{a} and {b}");
        assert_eq!((p.id(), &p), (q.id(), &q));
    }
}

#[test]
fn different_functions_stay_apart() {
    for (a, b) in [
        ("x", "-x"),
        ("swish", "swish-1"),
        ("prelu", "max(x,0)+beta*min(x,0)"),
        ("relu(-x)", "-relu(x)"),
        ("relu(-x)", "-min(x,0)"),
        ("sqrt(x)^3", "x^2"),
        ("sqrt(|x|)", "sqrt(x)"),
        ("|min(x,0)|", "-min(x,0)"),
        ("x/(x+eps)", "1"),
        ("1/(-x+eps)", "-1/(x+eps)"),
        ("sin(cos(x))", "sin(-cos(x))"),
        ("beta*x", "beta*x*beta2"),
        ("x*|x|", "x^2"),
    ] {
        assert_ne!(parsed(a), parsed(b), "{a} and {b}");
    }
}
